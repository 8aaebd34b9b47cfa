"""The policy packs that there are: those that come with Noria, a team's own, and the tests beside each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from memory.errors import NotFoundError

if TYPE_CHECKING:
    from policies.pack import Pack
    from policies.pack_cases import Cases

PACKAGED_PACKS = Path(__file__).parents[1] / "policies" / "packs"
_TESTS = ".tests"


@dataclass(frozen=True)
class PackFile:
    """One pack where it stands."""

    path: Path
    text: str

    @property
    def is_packaged(self) -> bool:
        return self.path.parent == PACKAGED_PACKS

    @property
    def extends(self) -> list[str]:
        """The packs whose rules it starts from."""
        from memory.marked_yaml import read_yaml

        said = read_yaml(self.text, where=str(self.path)).data.get("extends") or []
        return [str(one) for one in (said if isinstance(said, list) else [said])]

    @property
    def tests_path(self) -> Path:
        """Where its tests are: ``own.tests.yaml`` beside ``own.yaml``."""
        return self.path.with_name(f"{self.path.stem}{_TESTS}{self.path.suffix}")


@dataclass(frozen=True)
class Shelf:
    """Packs by name; of one name, a team's own comes before the packaged one."""

    folders: tuple[Path, ...] = ()
    """A team's own folders of packs."""

    @cached_property
    def files(self) -> dict[str, PackFile]:
        paths = [path for folder in (PACKAGED_PACKS, *self.folders) for path in sorted(folder.glob("*.yaml"))]
        # Tests stand beside the packs and are none.
        packs = [path for path in paths if not path.stem.endswith(_TESTS)]
        return {path.stem: PackFile(path, path.read_text(encoding="utf-8")) for path in packs}

    @property
    def texts(self) -> dict[str, str]:
        """What a pack may extend."""
        return {name: file.text for name, file in self.files.items()}

    def find(self, name: str) -> PackFile:
        """A pack by its name, or by the path of its file. Raises NotFoundError."""
        path = Path(name)
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return PackFile(path, path.read_text(encoding="utf-8"))
        if name in self.files:
            return self.files[name]
        raise NotFoundError(
            f"There is no policy pack {name}.",
            remedy=f"Name one of {', '.join(sorted(self.files))}, or the path of a YAML file.",
        )

    def beside(self, name: str) -> Shelf:
        """The shelf with what stands beside a pack that was named by its path."""
        path = Path(name)
        inside = path.is_file() and path.parent.resolve() not in {one.resolve() for one in self.folders}
        return Shelf((*self.folders, path.parent)) if inside else self

    def read(self, name: str) -> Pack:
        """A pack by name or path. Raises NotFoundError, or PackError with file, line and remedy."""
        from policies.pack import parse_pack

        shelf = self.beside(name)
        file = shelf.find(name)
        return parse_pack(file.text, where=str(file.path), parents=shelf.texts)

    def ancestry(self, name: str) -> list[PackFile]:
        """A pack that can be read, and those that it extends, nearest first."""
        found = [self.find(name)]
        for file in found:
            named = [self.find(one) for one in file.extends]
            found += [one for one in named if one not in found]
        return found

    def cases(self, file: PackFile) -> Cases | None:
        """The tests beside a pack; None where there are none. Raises InvalidInputError."""
        from policies.pack_cases import read_cases

        path = file.tests_path
        return read_cases(path.read_text(encoding="utf-8"), where=str(path)) if path.is_file() else None
