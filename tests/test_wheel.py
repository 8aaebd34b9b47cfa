"""The wheel as a user installs it: one name in site-packages, a working command, no quarrel with its neighbours."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from noria import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    # By way of the source distribution, so that its completeness is proven too.
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(target.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_adds_one_name_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist()}
        inside = {name.split("/")[2] for name in archive.namelist() if name.startswith("noria/_app/")}
        carried = {name.removeprefix("noria/_app/") for name in archive.namelist() if name.startswith("noria/_app/")}
    assert names == {"noria", f"noria-{wheel.name.split('-')[1]}.dist-info"}
    assert inside == {"memory", "policies", "tools", "agents", "evals", "console"}
    assert {"memory/migrations/versions/0001_create_the_store.py", "policies/packs/base.yaml"} <= carried
    tracked = subprocess.run(["git", "ls-files", *inside], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= carried


@pytest.mark.slow
def test_the_installed_command_runs_beside_a_package_called_agents(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    neighbour = site / "agents"
    neighbour.mkdir(parents=True)
    (neighbour / "__init__.py").write_text("MINE = True\n")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--target", site, wheel], check=True, cwd=tmp_path
    )
    assert sorted(path.name for path in site.iterdir() if path.name[0] not in "._") == [
        "agents",
        "bin",
        "noria",
        f"noria-{wheel.name.split('-')[1]}.dist-info",
    ]
    # The dependencies come from this environment; the code must come from the wheel alone.
    code = (
        "import sys; sys.path[:] = [sys.argv.pop(1)] + [p for p in sys.path if p and p != sys.argv[-1]];"
        "sys.argv.pop(); from noria.launcher import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(site), "init", str(tmp_path / "shop"), "--json", str(ROOT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "shop" / "noria.toml").is_file()
    assert (neighbour / "__init__.py").read_text() == "MINE = True\n"


def test_the_command_says_its_version() -> None:
    command = [sys.executable, "-m", "noria", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    # Libraries say there, at the end of the process, what they hold for a leak.
    assert (done.stdout, done.stderr) == (f"noria {__version__}\n", "")
