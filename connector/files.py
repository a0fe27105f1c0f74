"""The files that are made, by their names in this folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import function_app  # noqa: F401 - importing the app declares its operations
from connector.definition import define
from connector.icon import draw
from connector.properties import ENTRA, ENTRA_SECURITY, KEY, KEY_SECURITY
from triggers.operations import OPERATIONS

FOLDER = Path(__file__).parent


def files() -> Mapping[str, bytes]:
    """The connector with a key, the one with Entra ID, and the icon of both."""
    return {
        "apiDefinition.swagger.json": _encode(define(OPERATIONS, KEY_SECURITY)),
        "apiProperties.json": _encode(KEY),
        "entra/apiDefinition.swagger.json": _encode(define(OPERATIONS, ENTRA_SECURITY)),
        "entra/apiProperties.json": _encode(ENTRA),
        "icon.png": draw(),
    }


def _encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=4, ensure_ascii=False) + "\n").encode()
