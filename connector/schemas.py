"""Schemas as OpenAPI 2.0 and the platform's designer need them, from those of OpenAPI 3.1."""

import re
from collections.abc import Mapping
from typing import Any

type Json = dict[str, Any]

# Written anew below, or of no use: the designer shows `x-ms-summary`, and the bridge itself checks for extra keys.
REWRITTEN = {"$defs", "$ref", "additionalProperties", "anyOf", "const", "items", "properties", "propertyNames", "title"}


def words(name: str) -> str:
    """The words of a camelCase name: "Job id" for jobId."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+", name)
    return " ".join(parts).lower().replace("url", "URL").capitalize().replace("url", "URL")


class Schemas:
    """Turns schemas one by one; the models they refer to gather in `definitions`."""

    def __init__(self, models: Mapping[str, Json]) -> None:
        self.definitions: dict[str, Json] = {}
        self._models = models

    def model(self, reference: str) -> Json:
        """The model that a reference names, as OpenAPI 3.1 has it."""
        return self._models[_name(reference)]

    def turn(self, schema: Json) -> Json:
        """A schema in OpenAPI 2.0."""
        if schema.keys() == {"$ref"}:
            return {"$ref": "#/definitions/" + self._define(_name(schema["$ref"]))}
        schema = self._flat(schema)
        turned = {key: value for key, value in schema.items() if key not in REWRITTEN}
        if "exclusiveMinimum" in schema:
            turned |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
        if "const" in schema:
            turned["enum"] = [schema["const"]]
        if "properties" in schema:
            turned["properties"] = {name: self._property(name, one) for name, one in schema["properties"].items()}
        if "items" in schema:
            turned["items"] = self.turn(schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            turned["additionalProperties"] = self.turn(schema["additionalProperties"])
        return turned

    def _flat(self, schema: Json) -> Json:
        """The schema without null, and without a reference: nothing beside a reference counts in OpenAPI 2.0."""
        if "anyOf" in schema:
            values = [one for one in schema["anyOf"] if one != {"type": "null"}]
            # OpenAPI 2.0 knows no choice of types: what may be several may be anything.
            value = values[0] if len(values) == 1 else {}
            schema = {**value, **{key: one for key, one in schema.items() if (key, one) != ("default", None)}}
        return {**self.model(schema["$ref"]), **schema} if "$ref" in schema else schema

    def _property(self, name: str, schema: Json) -> Json:
        return {"x-ms-summary": schema.get("title") or words(name), **self.turn(self._flat(schema))}

    def _define(self, name: str) -> str:
        if name not in self.definitions:
            self.definitions[name] = {}  # so that a model may refer to itself
            self.definitions[name] = self.turn(self._models[name])
        return name


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]
