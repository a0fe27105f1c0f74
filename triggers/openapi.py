"""The description of the API (OpenAPI 3.1), made from the declared operations and nothing else."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_pascal
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from shared import __version__
from shared.domain.events.wire import json_number
from shared.domain.triggers import TRIGGERS
from triggers.answers import Problem
from triggers.operations import Operation

TITLE = "Customer Insights Event Bridge"
DESCRIPTION = "Starts flows when something happens in Dynamics 365 Customer Insights, and lets them look and act there."
REF = "#/components/schemas/{model}"
TAGS = {
    "triggers": "Subscriptions",
    "unsubscribe": "Subscriptions",
    "subscriptions": "Subscriptions",
    "events": "Operations",
    "dead-letters": "Operations",
    "status": "Operations",
    "event-types": "About",
    "openapi.json": "About",
    "health": "About",
}

type Json = dict[str, Any]


class Plain(GenerateJsonSchema):
    """Schemas without what nobody has written: titles made from names; defaults are JSON values."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Only titles that were given."""
        del schema
        return False

    def encode_default(self, dft: object) -> object:
        """Numbers are decimals in here, and numbers in JSON."""
        return json_number(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


class WithNulls(Plain):
    """Schemas of what the bridge takes: null for what may be absent is as good as nothing."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The schema, or null."""
        described = super().default_schema(schema)
        default = described.pop("default")
        value = described if "anyOf" in described else {"anyOf": [described, {"type": "null"}]}
        return {**value, "default": default}


class WithoutNulls(Plain):
    """Schemas of what the bridge sends: keys without a value are left out, so nothing is ever null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """The schema of the value itself."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The schema without a default of null."""
        described = super().default_schema(schema)
        if described.get("default", "") is None:
            del described["default"]
        return described


def describe(operations: Sequence[Operation], server: str) -> Json:
    """The document; `server` is the address that the routes follow."""
    expanded = [one for operation in operations for one in _for_each_trigger(operation)]
    paths: dict[str, Json] = {}
    for route, body, operation in sorted(expanded, key=lambda one: one[0]):
        paths.setdefault("/" + route, {})[operation.method.lower()] = _operation(route, body, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": server}],
        "security": [{"key": []}, {"code": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(expanded),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "code": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


type _Expanded = tuple[str, type[BaseModel] | None, Operation]


def _for_each_trigger(operation: Operation) -> Sequence[_Expanded]:
    """The routes of an operation, each with its body."""
    if not operation.for_each_trigger:
        return [(operation.route, operation.body, operation)]
    has_body = operation.method in {"POST", "PUT"}
    return [
        (operation.route.replace("{trigger}", slug), trigger.body if has_body else None, operation)
        for slug, trigger in TRIGGERS.items()
    ]


def _operation(route: str, body: type[BaseModel] | None, operation: Operation) -> Json:
    slug = route.split("/")[1] if operation.for_each_trigger else ""
    described: Json = {
        "operationId": operation.id + to_pascal(slug.replace("-", "_")),
        "summary": operation.summary,
        "description": operation.description,
        "tags": [TAGS.get(route.partition("/")[0], "Customer Insights")],
        "parameters": [
            *_parameters(operation.path, "path", route),
            *_parameters(operation.query, "query", route),
        ],
        "responses": {
            **{str(status.value): _answer(status, model, operation) for status, model in operation.answers.items()},
            **{str(status.value): _problem(status) for status in _problems(operation)},
        },
    }
    if body is not None:
        required = any(field.is_required() for field in body.model_fields.values())
        described["requestBody"] = {"required": required, "content": {"application/json": {"schema": _ref(body)}}}
    if operation.is_open:
        described["security"] = []
    if operation.visibility in {"important", "advanced", "internal"}:
        described["x-ms-visibility"] = operation.visibility
    return described


def _parameters(model: type[BaseModel] | None, place: str, route: str) -> Sequence[Json]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True, schema_generator=WithoutNulls)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": place,
            "required": name in required,
            "description": one["description"],
            "schema": {key: value for key, value in one.items() if key != "description"},
        }
        for name, one in schema["properties"].items()
        if place == "query" or f"{{{name}}}" in route
    ]


def _answer(status: HTTPStatus, model: type[BaseModel] | None, operation: Operation) -> Json:
    described: Json = {"description": status.phrase}
    if model is not None:
        described["description"] = " ".join((model.__doc__ or status.phrase).split())
        described["content"] = {"application/json": {"schema": _ref(model)}}
    if operation.id == "Subscribe":
        described["headers"] = {
            "Location": {
                "description": "The address that ends the subscription.",
                "schema": {"type": "string", "format": "uri"},
            }
        }
    return described


def _problems(operation: Operation) -> Sequence[HTTPStatus]:
    """What can go wrong: besides the operation's own, what can everywhere."""
    everywhere = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
    found = {*operation.problems, *everywhere, *(() if operation.is_open else (HTTPStatus.UNAUTHORIZED,))}
    return sorted(status for status in found if status not in operation.answers)


def _problem(status: HTTPStatus) -> Json:
    if status is HTTPStatus.UNAUTHORIZED:
        return {"description": "The key is missing or wrong."}  # the host's own answer, without a body
    described: Json = {
        "description": status.phrase,
        "content": {"application/problem+json": {"schema": _ref(Problem)}},
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        described["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        }
    return described


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": REF.format(model=model.__name__)}


def _schemas(expanded: Sequence[_Expanded]) -> Mapping[str, Json]:
    taken = {body for _, body, _ in expanded if body is not None}
    given = {model for *_, operation in expanded for model in operation.answers.values() if model is not None}
    schemas: dict[str, Json] = {}
    for models, mode, generator in (
        (taken, "validation", WithNulls),
        (given | {Problem}, "serialization", WithoutNulls),
    ):
        inputs = [(model, mode) for model in sorted(models, key=lambda model: model.__name__)]
        _, document = models_json_schema(
            inputs,  # type: ignore[arg-type]  # pairs of a model and a literal
            by_alias=True,
            ref_template=REF,
            schema_generator=generator,
        )
        # Pydantic calls a list of segments Listing_Segment_ here, whatever its model is called.
        named: Json = json.loads(re.sub(r"(?:Listing|Paged)_(\w+?)_", r"\1List", json.dumps(document)))
        schemas |= named.get("$defs", {})
    return dict(sorted(schemas.items()))
