"""The committed connector, and the ways through its parts that the rules take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / "connector"
VARIANTS = ("", "entra/")
VERBS = ("get", "put", "post", "patch", "delete")

type Json = dict[str, Any]


def definition(variant: str = "") -> Json:
    return dict(json.loads((FOLDER / variant / "apiDefinition.swagger.json").read_text("utf-8")))


def properties(variant: str = "") -> Json:
    document = json.loads((FOLDER / variant / "apiProperties.json").read_text("utf-8"))
    return dict(document["properties"])


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """The path, the method and the content of each operation."""
    for path, item in document["paths"].items():
        for method in VERBS:
            if method in item:
                yield path, method, item[method]


def by_id(document: Json) -> dict[str, tuple[str, str, Json]]:
    return {operation["operationId"]: (path, method, operation) for path, method, operation in operations(document)}


def parameters(document: Json) -> Iterator[tuple[str, Json]]:
    """Each parameter, with words that say where it stands."""
    for _, _, operation in operations(document):
        for parameter in operation["parameters"]:
            yield f"{operation['operationId']} {parameter['name']}", parameter


def properties_of_bodies(document: Json) -> list[tuple[str, Json, bool]]:
    """What makers fill in of each body: where it stands, its schema, and whether it is required."""
    bodies = {one["schema"]["$ref"].rpartition("/")[2] for _, one in parameters(document) if "schema" in one}
    return [
        (f"{name}.{key}", one, key in document["definitions"][name].get("required", []))
        for name in sorted(bodies)
        for key, one in document["definitions"][name].get("properties", {}).items()
    ]


def schemas(document: Json) -> Iterator[tuple[str, Json]]:
    """Every schema, however deep, with words that say where it stands."""
    for name, schema in document["definitions"].items():
        yield from _within(name, schema)
    for path, item in document["paths"].items():
        if "x-ms-notification-content" in item:
            yield from _within(path, item["x-ms-notification-content"]["schema"])
    for _, _, operation in operations(document):
        where = operation["operationId"]
        for parameter in operation["parameters"]:
            yield from _within(f"{where} {parameter['name']}", parameter.get("schema", {}))
        for status, response in operation["responses"].items():
            yield from _within(f"{where} {status}", response.get("schema", {}))


def named_properties(document: Json) -> Iterator[tuple[str, Json]]:
    """Every property of every schema."""
    for where, schema in schemas(document):
        for name, one in schema.get("properties", {}).items():
            yield f"{where}.{name}", one


def _within(where: str, schema: Json) -> Iterator[tuple[str, Json]]:
    yield where, schema
    for name, one in schema.get("properties", {}).items():
        yield from _within(f"{where}.{name}", one)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _within(f"{where}[]", schema[key])


def keys(value: object) -> Iterator[tuple[str, object]]:
    """Every key of every object, with its value."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            yield from keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)
