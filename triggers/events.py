"""The event log: what has happened, and what has become of each event."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import azure.functions as func
from pydantic import AwareDatetime, Field, StringConstraints

from shared.composition import bridge
from triggers.lists import Paged, TimedQuery, next_link
from triggers.operations import Routes
from triggers.parameters import EventPath
from triggers.views import CloudEvent, Outcome, outcome

routes = Routes()
blueprint = routes.blueprint

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class EventQuery(TimedQuery):
    """Which events to list, by when they happened."""

    instance_id: Name | None = Field(
        default=None, title="Environment", description="Only those of this environment; all when left out."
    )
    type: Name | None = Field(
        default=None,
        title="Event type",
        description="Only those of this type, as List event types gives it; all when left out.",
    )


class Copy(Outcome):
    """A delivery of an event: its copy for one subscription."""

    subscription_id: str = Field(description="The id of the subscription.")


class EventDetail(CloudEvent):
    """An event with its way, and its deliveries."""

    published_at: AwareDatetime | None = Field(
        default=None, alias="publishedAt", description="When the topic had put it into the bridge's queue (UTC)."
    )
    dispatched_at: AwareDatetime = Field(
        alias="dispatchedAt", description="When the bridge took it from there and made its deliveries (UTC)."
    )
    deliveries: Sequence[Copy] = Field(description="Its deliveries, one for each subscription that it is for.")


@routes("GET", "events", summary="List events", problems=(HTTPStatus.BAD_REQUEST,))
async def list_events(query: EventQuery, req: func.HttpRequest) -> Paged[CloudEvent]:
    """The events that were dispatched in the last weeks, newest first."""
    page = await bridge().events.page(
        query.part, instance_id=query.instance_id, event_type=query.type, between=query.between
    )
    return Paged[CloudEvent](
        value=[CloudEvent.model_validate(logged.event.raw) for logged in page.items],
        next_link=next_link(req, "/events", query, page.cursor),
    )


@routes("GET", "events/{eventId}", summary="Get an event", problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND))
async def get_event(path: EventPath) -> EventDetail:
    """One event, and how its delivery to each subscription stands."""
    logged, deliveries = await bridge().follow.event(path.event_id)
    way = {"publishedAt": logged.published_at, "dispatchedAt": logged.recorded_at}
    copies = [Copy(subscription_id=one.subscription_id, **outcome(one)) for one in deliveries]
    return EventDetail.model_validate({**logged.event.raw, **way, "deliveries": copies})
