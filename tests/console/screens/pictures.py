"""Takes the pictures of the documents: `python -m tests.console.screens.pictures` writes them into docs/images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from console.cli.setup import make_workspace
from console.wiring import Workspace
from memory.workspace import StoreClock
from tests.console.conftest import BRIEF, run_in
from tests.console.screens.browser import Desk, chromium, listening
from tests.console.screens.conftest import House
from tests.console.shop import NOW, write_exports

IMAGES: Final = Path(__file__).parents[3] / "docs" / "images"
_SIZE: Final = {"width": 1200, "height": 720}


def take(folder: Path) -> None:
    """Plan a round for a small shop in a folder, and photograph its inbox and one proposal."""
    shop = make_workspace(folder / "shop", name="Our shop", currency="EUR", zone="Europe/Paris")
    workspace = Workspace(shop, {})
    StoreClock(workspace.store).advance_to(NOW)
    run_in(shop)("import", str(write_exports(folder / "exports")))
    run_in(shop)("plan", *BRIEF)
    house = House(workspace)
    with chromium() as browser, listening(house) as url:
        desk = Desk(browser, house, url)
        page = desk.browser_of("approver", "marie", viewport=_SIZE, color_scheme="light")
        page.goto("./")
        page.screenshot(path=IMAGES / "console-inbox.png")
        page.get_by_role("link", name="Win-back").click()
        page.wait_for_url("**/proposals/**")
        page.screenshot(path=IMAGES / "console-proposal.png")
        desk.close()
    workspace.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        take(Path(made))
