"""A real browser before a real server: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from memory.role import Role
from tests.console.screens.conftest import House

Result = TypeVar("Result")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; where there is none the tests are skipped, never in CI."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            raise FileNotFoundError("there is no chromium: apt-get install chromium")
        pytest.skip("there is no Chromium here, the console was not tried in a browser: apt-get install chromium")
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def listening(house: House) -> Iterator[str]:
    """The house behind a port of this machine; yields its address."""
    server = uvicorn.Server(uvicorn.Config(house.app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    [port] = [socket.getsockname()[1] for one in server.servers for socket in one.sockets]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


class Desk:
    """People of a house, each before a browser of their own."""

    def __init__(self, browser: Browser, house: House, url: str) -> None:
        self.house = house
        self.url = url
        self.complaints: list[str] = []
        self._browser = browser
        self._open: list[BrowserContext] = []

    def browser_of(self, role: Role, name: str = "", **options: Any) -> Page:
        """A page of somebody who is signed in; what the browser complains about is kept."""
        self.house.person(role, name)
        page = self.stranger(**options)
        page.context.add_cookies([{"name": "noria", "value": f"session of {name or role}", "url": self.url}])
        return page

    def stranger(self, **options: Any) -> Page:
        """A page of somebody who is not signed in."""
        context = self._browser.new_context(base_url=f"{self.url}/console/", **{"locale": "en-GB", **options})
        self._open.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda said: self.complaints.append(said.text) if "Security" in said.text else None)
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._open:
            context.close()


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds against a page: rule and place."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def beside(act: Callable[[], Result]) -> Result:
    """Act in a thread of its own: Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result()
