"""The lock files, and environments that hold what they name."""

import re
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.markers import Marker

from local.stack import PROJECT

APP: Final = PROJECT / "requirements.txt"
DEV: Final = PROJECT / "requirements-dev.txt"
PIN: Final = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+))?")
HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of a lock file: its version, the machines it is for (None: all), and its files' hashes."""

    version: str
    marker: str | None
    hashes: frozenset[str]

    @property
    def is_for_here(self) -> bool:
        return self.marker is None or Marker(self.marker).evaluate()


def pins(path: Path) -> Mapping[str, Pin]:
    """What a lock file pins, by normalised name; every line of it must be understood."""
    found = {}
    for line in path.read_text("utf-8").replace("\\\n", "").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            match = PIN.match(line)
            assert match, line
            rest = line[match.end() :].split()
            assert all(HASH.fullmatch(word) for word in rest), line
            marker = match["marker"] and match["marker"].split("--hash")[0].strip()
            assert match["name"] not in found, f"{match['name']} stands twice in {path.name}"
            found[match["name"]] = Pin(match["version"], marker, frozenset(HASH.findall(line)))
    return found


def environment(folder: Path, names: Iterable[str]) -> Path:
    """Make a virtual environment that holds these installed packages and nothing else; return its interpreter.

    Their files are linked, so it takes a moment and no network. It is what `pip install -r` makes of a lock file whose
    versions are the installed ones.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in names:
        for file in distribution(name).files or ():
            if ".." not in file.parts:
                link = site / file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(file.locate())
    return folder / "bin" / "python"
