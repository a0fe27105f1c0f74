"""The portal's queries, as the templates hold them, and what the workbook asks its reader for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[2] / "infra"
ALERTS: list[Mapping[str, Any]] = json.loads((INFRA / "alerts.json").read_text("utf-8"))
WORKBOOK: Mapping[str, Any] = json.loads((INFRA / "workbook.json").read_text("utf-8"))
TILES: Mapping[str, Mapping[str, Any]] = {
    item["name"]: item["content"] for item in WORKBOOK["items"] if item["type"] == 3
}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    parameter["name"]: parameter
    for item in WORKBOOK["items"]
    if item["type"] == 9
    for parameter in item["content"]["parameters"]
}
QUERIES: Mapping[str, str] = {
    **{f"alert {alert['name']}": alert["query"] for alert in ALERTS},
    **{f"tile {name}": tile["query"] for name, tile in TILES.items()},
}


def filled(query: str, **given: str) -> str:
    """A tile's query as the workbook sends it; it sends none that asks for a parameter without a value."""
    for name, parameter in PARAMETERS.items():
        if f"{{{name}}}" in query:
            value = given.get(name) or parameter["value"]
            assert value, f"the portal would ask for {name}"
            query = query.replace(f"{{{name}}}", value)
    return query
