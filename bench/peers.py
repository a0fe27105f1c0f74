"""Installs peers that the project does not depend on, at exact versions, into `.local/bench`: once."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.benchmark import MissingError
from local.install_azurite import InstallError, install
from local.node import NodeMissingError

HERE: Final = Path(__file__).parent
PLACE: Final = HERE.parent / ".local" / "bench"
_WITHIN: Final = 240.0  # seconds


def python_peer(name: str, *requirements: str) -> str:
    """The Python of an environment of its own with these packages. Raises `MissingError`."""
    folder = PLACE / name
    stamp, python, wanted = folder / ".installed", folder / "bin" / "python", "\n".join(requirements)
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted, "utf-8")
    return str(python)


def node_peer(name: str) -> Path:
    """The folder in which npm has installed what the lock file in `bench/<name>` says. Raises `MissingError`."""
    folder = PLACE / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HERE / name).iterdir():
        shutil.copyfile(file, folder / file.name)
    try:
        install(folder)
    except (InstallError, NodeMissingError) as error:
        raise MissingError(str(error).splitlines()[-1]) from error
    return folder


def program(name: str) -> str:
    """A program of the machine. Raises `MissingError`."""
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"there is no {name} on this machine")
    return found


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(str(error)) from error
    if done.returncode:
        raise MissingError((done.stderr.strip().splitlines() or ["it could not be installed"])[-1])
