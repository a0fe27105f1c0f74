"""What the bridge offers: its event types, and the description of its API."""

import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
from pydantic import BaseModel, Field, RootModel

from shared.domain.catalog import Listing
from shared.domain.events.data import EventData
from shared.domain.events.wire import Wire
from shared.domain.triggers import TRIGGERS, TRIGGERS_BY_EVENT_TYPE, Trigger
from shared.errors import NotFoundError
from triggers.addresses import absolute
from triggers.answers import encode
from triggers.openapi import WithoutNulls, describe
from triggers.operations import OPERATIONS, Reply, Routes
from triggers.parameters import EventTypePath

routes = Routes()
blueprint = routes.blueprint


class EventType(Wire):
    """An event type."""

    type: str = Field(description="Its name.")
    trigger: str = Field(description="The trigger that brings it.")
    title: str = Field(description="Its title.")
    description: str = Field(description="When it happens.")


class EventTypeDetail(EventType):
    """An event type with the form of its data."""

    data_schema: dict[str, Any] = Field(alias="schema", description="The JSON Schema of its data.")
    sample: dict[str, Any] = Field(description="A sample of its data.")


class OpenApi(RootModel[dict[str, Any]]):
    """An OpenAPI document."""


@routes("GET", "event-types", summary="List event types")
async def list_event_types() -> Listing[EventType]:
    """The types of events, one for each trigger."""
    return Listing[EventType](value=[EventType(**_about(trigger)) for trigger in TRIGGERS.values()])


@routes(
    "GET",
    "event-types/{eventType}",
    summary="Get an event type",
    visibility="absent",
    problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
)
async def get_event_type(path: EventTypePath) -> EventTypeDetail:
    """One event type with the JSON Schema of its data and a sample."""
    trigger = TRIGGERS_BY_EVENT_TYPE.get(path.event_type)
    if trigger is None:
        raise NotFoundError(f"There is no event type {path.event_type!r}.")
    return EventTypeDetail(**_about(trigger), data_schema=data_schema(trigger.data), sample=trigger.data.example())


@routes(
    "GET",
    "openapi.json",
    summary="Describe the API",
    visibility="absent",
    answers={HTTPStatus.OK: OpenApi},
    problems=(HTTPStatus.BAD_REQUEST,),
)
async def describe_api(req: func.HttpRequest) -> Reply:
    """This description of the API (OpenAPI 3.1)."""
    return Reply(_document(absolute(req, "")))


# Making it takes a tenth of a second, and a bridge has few addresses.
@functools.lru_cache(maxsize=8)
def _document(server: str) -> bytes:
    return encode(describe(OPERATIONS, server))


def data_schema(data: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of an event's data."""
    return data.model_json_schema(by_alias=True, mode="serialization", schema_generator=WithoutNulls)


def _about(trigger: Trigger) -> Mapping[str, Any]:
    data: type[EventData] = trigger.data
    return {
        "type": trigger.event_type,
        "trigger": trigger.slug,
        "title": data.title,
        "description": data.description,
    }
