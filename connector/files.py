"""The files that are made, by their names in this folder, and where they are written."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import function_app  # noqa: F401 - importing the app declares its operations
from connector.definition import define
from connector.icon import draw
from connector.placeholders import Placeholder, fill, placeholders_in
from connector.properties import ENTRA, ENTRA_SECURITY, KEY, KEY_SECURITY
from triggers.operations import OPERATIONS

FOLDER = Path(__file__).parent


def files(given: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, bytes]:
    """The connector with a key, the one with Entra ID, and the icon of both; `given` are the publisher's values."""
    made = {name: _encode(fill(document, given)) for name, document in _documents().items()}
    return {**made, "icon.png": draw()}


def placeholders() -> Mapping[str, Placeholder]:
    """What a publisher may give, by name."""
    return {one.name: one for document in _documents().values() for one in placeholders_in(document)}


def write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files, and the folders that they are in."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _documents() -> Mapping[str, Mapping[str, Any]]:
    return {
        "apiDefinition.swagger.json": define(OPERATIONS, KEY_SECURITY),
        "apiProperties.json": KEY,
        "entra/apiDefinition.swagger.json": define(OPERATIONS, ENTRA_SECURITY),
        "entra/apiProperties.json": ENTRA,
    }


def _encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=4, ensure_ascii=False) + "\n").encode()
