"""What makers pick from lists, and the schema of a row, which the platform asks the bridge for.

Each is given twice: in the older form, and in the one whose references are exact. The designers differ in what they
read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from connector.schemas import Json


@dataclass(frozen=True, slots=True)
class PickList:
    """The operation that lists, and which of an item's keys is the value and which is shown."""

    operation: str
    value: str
    title: str


SEGMENTS = PickList("ListSegments", "name", "friendlyName")
MEASURES = PickList("ListMeasures", "name", "displayName")
# By the name of a parameter or property; names that mean several things, by the step of the path before them as well.
PICK_LISTS = {
    "instanceId": PickList("ListInstances", "instanceId", "name"),
    "dataSourceId": PickList("ListDataSources", "dataSourceId", "friendlyName"),
    "segmentName": SEGMENTS,
    "segments/{name}": SEGMENTS,
    "measureName": MEASURES,
    "measures/{name}": MEASURES,
    "table": PickList("ListTables", "qualifiedName", "name"),
    "partition": PickList("ListPartitions", "name", "name"),
}

# A field for each dimension of the measure that was picked.
DEPENDENT: Mapping[str, Json] = {
    "dimensions": {
        "x-ms-dynamic-schema": {
            "operationId": "GetMeasure",
            "parameters": {"instanceId": {"parameter": "instanceId"}, "name": {"parameter": "measureName"}},
            "value-path": "dimensionsSchema",
        },
        "x-ms-dynamic-properties": {
            "operationId": "GetMeasure",
            "parameters": {
                "instanceId": {"parameterReference": "body/instanceId"},
                "name": {"parameterReference": "body/measureName"},
            },
            "itemValuePath": "dimensionsSchema",
        },
    }
}

_ROW = ("instanceId", "table")
DYNAMIC_ROW: Json = {
    "x-ms-dynamic-schema": {
        "operationId": "GetTable",
        "parameters": {name: {"parameter": name} for name in _ROW},
        "value-path": "rowSchema",
    },
    "x-ms-dynamic-properties": {
        "operationId": "GetTable",
        "parameters": {name: {"parameterReference": name} for name in _ROW},
        "itemValuePath": "rowSchema",
    },
}


def offer_in_parameter(parameter: Json, path: str, paths: Mapping[str, Json]) -> None:
    """Give a parameter its pick-list, if there is one."""
    name = parameter["name"]
    before = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
    _offer(parameter, PICK_LISTS.get(name) or PICK_LISTS.get(f"{before}/{{{name}}}"), paths, "")


def offer_in_body(body: Json, paths: Mapping[str, Json]) -> None:
    """Give the properties of a body their pick-lists, and the fields that depend on what was picked."""
    for name, schema in body.get("properties", {}).items():
        _offer(schema, PICK_LISTS.get(name), paths, "body/")
        schema.update(DEPENDENT.get(name, {}))


def _offer(target: Json, picked: PickList | None, paths: Mapping[str, Json], place: str) -> None:
    if picked is None:
        return
    needed = _needed(picked.operation, paths)
    target["x-ms-dynamic-values"] = {
        "operationId": picked.operation,
        "parameters": {name: {"parameter": name} for name in needed},
        "value-collection": "value",
        "value-path": picked.value,
        "value-title": picked.title,
    }
    target["x-ms-dynamic-list"] = {
        "operationId": picked.operation,
        "parameters": {name: {"parameterReference": place + name} for name in needed},
        "itemsPath": "value",
        "itemValuePath": picked.value,
        "itemTitlePath": picked.title,
    }


def _needed(operation_id: str, paths: Mapping[str, Json]) -> list[str]:
    """The parameters that an operation requires."""
    (operation,) = (
        item["get"] for item in paths.values() if "get" in item and item["get"]["operationId"] == operation_id
    )
    return [one["name"] for one in operation["parameters"] if one["required"]]
