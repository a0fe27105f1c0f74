"""The connector's definition (OpenAPI 2.0 with Microsoft's extensions), made from the declared operations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.picking import DYNAMIC_ROW, PICK_LISTS, offer_in_body, offer_in_parameter
from connector.placeholders import Placeholder, address, words_of
from connector.schemas import Json, Schemas, words
from shared.domain.triggers import TRIGGERS, Trigger
from triggers.description import data_schema
from triggers.openapi import describe
from triggers.operations import Operation

# The host stands here for readers, and for the portal's import, which knows no policy: each connection names its own.
HOST = Placeholder(
    "BRIDGE_HOST",
    "bridge.azurewebsites.net",
    re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"),
    "a host name, without https:// and without a path",
)
CONTACT = {
    "name": words_of("CONTACT_NAME", "Customer Insights Event Bridge"),
    "url": address("CONTACT_URL", "https://example.com/support"),
    "email": Placeholder("CONTACT_EMAIL", "bridge@example.com", re.compile(r"[^@\s]+@[^@\s]+"), "a mail address"),
}
METADATA = [
    {"propertyName": "Website", "propertyValue": address("WEBSITE_URL", "https://example.com")},
    {"propertyName": "Privacy policy", "propertyValue": address("PRIVACY_URL", "https://example.com/privacy")},
    {"propertyName": "Categories", "propertyValue": "Data;Marketing"},
]

# Not tried on the platform: with `Location` being the gateway's prefix and the path of the internal DELETE, the
# platform should call that with the connection's key. Should the key not come, the token in the path suffices.
PREFIX = "/api"
# Not tried on the platform: where a maker switches paging on, it should follow this from page to page.
NEXT_LINK = "nextLink"

HINTS = {
    "data-source-refresh-failed": "To try it, refresh a data source whose credentials have expired.",
    "data-source-refresh-succeeded": "To try it, refresh a data source in Customer Insights.",
    "segment-threshold-crossed": "To try it, pick a threshold near the segment's size and refresh the segment.",
    "measure-threshold-crossed": "To try it, pick a threshold near the measure's value and refresh the measure.",
    "system-refresh-completed": "To try it, run a full refresh in Customer Insights and wait for its end.",
    "unification-refresh-completed": "To try it, run the unification in Customer Insights and wait for its end.",
    "stage-refresh-completed": "To try it, refresh the segments in Customer Insights and wait for the end of that.",
    "segment-refresh-failed": "To try it, refresh a segment whose attribute does not exist any more.",
    "measure-refresh-failed": "To try it, refresh a measure whose attribute does not exist any more.",
    "export-refresh-failed": "To try it, run an export whose sign-in has expired.",
    "data-source-credentials-expired": "To try it, revoke the sign-in of a data source and refresh it.",
    "segment-deactivated": "To try it, deactivate a segment in Customer Insights.",
    "data-source-refresh-overdue": "To try it, allow fewer hours than have passed since the last refresh.",
    "system-refresh-overdue": "To try it, allow fewer hours than have passed since the last full refresh.",
    "polling-failed": "To try it, give the bridge a wrong subscription key for a quarter of an hour.",
    "polling-recovered": "To try it, make polling fail for a quarter of an hour, and mend it.",
    "events-missed": "It happens after a long standstill only; to try it, call its subscription's test route.",
    "subscription-failing": "To try it, have a flow's trigger answer 500, and refresh a data source five times.",
    "subscription-suspended": "To try it, switch off another flow that has subscribed, and wait for its next event.",
    "subscription-resumed": "To try it, switch a flow on again that was suspended.",
}

# What a flow sees of the envelope (CloudEvents 1.0); the rest arrives as well.
ENVELOPE: Mapping[str, tuple[str, str]] = {
    "id": ("Event id", "The id of the event: the same in every call for one occurrence."),
    "type": ("Event type", "The type of the event."),
    "time": ("Event time", "When it happened in Customer Insights (UTC)."),
    "subject": ("Event subject", "What the event is about, within its environment."),
    "source": ("Event source", "The environment that the event comes from."),
}


def define(operations: Sequence[Operation], security: Mapping[str, Json]) -> Json:
    """The definition of a connector that signs in with `security`; the publisher's values are placeholders in it."""
    offered = [operation for operation in operations if operation.visibility != "absent"]
    described = describe(offered, f"https://{HOST.example}{PREFIX}")
    data = {trigger.slug: data_schema(trigger.data) for trigger in TRIGGERS.values()}
    models = dict(described["components"]["schemas"])
    for one in data.values():
        models |= one.get("$defs", {})
    schemas = Schemas(models)
    paths = {
        PREFIX + path: {method: _operation(operation, schemas) for method, operation in item.items()}
        for path, item in described["paths"].items()
    }
    for slug, trigger in TRIGGERS.items():
        item = paths[f"{PREFIX}/triggers/{slug}/subscriptions"]
        item["post"] |= _trigger(trigger)
        item["x-ms-notification-content"] = {
            "description": trigger.data.description,
            "schema": _event(schemas.turn(data[slug])),
        }
        _arrange(schemas.definitions[f"{trigger.data.__name__}Body"])
    for path, item in paths.items():
        for operation in (item[method] for method in described["paths"][path.removeprefix(PREFIX)]):
            for parameter in operation["parameters"]:
                if parameter["in"] == "body":
                    offer_in_body(_body_of(parameter, schemas.definitions), paths)
                else:
                    offer_in_parameter(parameter, path, paths)
                _set_back(parameter, schemas.definitions)
    schemas.definitions["Item"] |= DYNAMIC_ROW
    return {
        "swagger": "2.0",
        "info": {**described["info"], "contact": CONTACT},
        "host": HOST,
        "basePath": "/",
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": paths,
        "definitions": dict(sorted(schemas.definitions.items())),
        "securityDefinitions": security,
        "security": [{name: [] for name in security}],
        "x-ms-connector-metadata": METADATA,
    }


def _operation(described: Json, schemas: Schemas) -> Json:
    kept = ("operationId", "summary", "description", "x-ms-visibility")
    operation: Json = {key: described[key] for key in kept if key in described}
    parameters = [_parameter(one, schemas) for one in described["parameters"]]
    if "requestBody" in described:
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        about = schemas.model(schema["$ref"]).get("description", "What to subscribe to.")
        parameters.append(
            {
                "name": "body",
                "in": "body",
                "required": described["requestBody"]["required"],
                "x-ms-summary": "Body",
                "description": about,
                "schema": schemas.turn(schema),
            }
        )
    responses = {status: _response(one, schemas) for status, one in sorted(described["responses"].items())}
    if _is_paged(described, schemas):
        operation["x-ms-pageable"] = {"nextLinkName": NEXT_LINK}
    return {**operation, "parameters": parameters, "responses": responses}


def _is_paged(described: Json, schemas: Schemas) -> bool:
    answers = described["responses"].get("200", {}).get("content", {}).values()
    return any(NEXT_LINK in schemas.model(one["schema"]["$ref"]).get("properties", {}) for one in answers)


def _parameter(described: Json, schemas: Schemas) -> Json:
    schema: Json = described["schema"]
    parameter = {
        "name": described["name"],
        "in": described["in"],
        "required": described["required"],
        "x-ms-summary": schema.get("title") or words(described["name"]),
        "description": described["description"],
        **schemas.turn(schema),
    }
    if described["in"] == "path":
        # Not tried on the platform: its gateway should decode a path once before it passes it on. A slash in a key or
        # a name must outlive that.
        parameter["x-ms-url-encoding"] = "double"
    return parameter


def _response(described: Json, schemas: Schemas) -> Json:
    response: Json = {"description": described["description"].rstrip(".") + "."}
    for content in described.get("content", {}).values():
        response["schema"] = schemas.turn(content["schema"])
    if "headers" in described:
        response["headers"] = {
            name: {"description": header["description"], **schemas.turn(header["schema"])}
            for name, header in described["headers"].items()
        }
    return response


def _trigger(trigger: Trigger) -> Json:
    return {
        "summary": trigger.data.title,
        "description": trigger.data.description,
        "x-ms-trigger": "single",
        "x-ms-trigger-hint": HINTS[trigger.slug],
    }


def _event(data: Json) -> Json:
    """The schema of the CloudEvent that a flow is called with."""
    properties: dict[str, Any] = {
        name: {"type": "string", "x-ms-summary": summary, "description": description}
        for name, (summary, description) in ENVELOPE.items()
    }
    properties["time"]["format"] = "date-time"
    properties["data"] = {**data, "x-ms-summary": "Data", "description": "What happened."}
    return {"type": "object", "properties": properties}


def _arrange(body: Json) -> None:
    """The environment first, on which lists depend, then what is picked. The callback hides: the platform fills it in.

    What is hidden must not be required, or needs a default, which a callback cannot have.
    """
    order = sorted(body["properties"], key=lambda name: (name != "instanceId", name not in PICK_LISTS))
    body["properties"] = {name: body["properties"][name] for name in order}
    body["properties"]["callbackUrl"] |= {"x-ms-notification-url": True, "x-ms-visibility": "internal"}
    body["required"].remove("callbackUrl")


def _body_of(parameter: Json, definitions: Mapping[str, Json]) -> Json:
    return definitions[parameter["schema"]["$ref"].rpartition("/")[2]]


def _set_back(parameter: Json, definitions: Mapping[str, Json]) -> None:
    """What may be left out stands with the advanced fields, unless makers pick it: those say what it is all about.

    Of a body in which all may be left out, each field says so.
    """
    if parameter["in"] != "body":
        fields = [(parameter, parameter["required"])]
    else:
        body = _body_of(parameter, definitions)
        properties, required = body.get("properties", {}), body.get("required", ())
        fields = [(field, name in required) for name, field in properties.items()] if required else []
    for field, is_required in fields:
        if not is_required and "x-ms-dynamic-list" not in field:
            field.setdefault("x-ms-visibility", "advanced")
