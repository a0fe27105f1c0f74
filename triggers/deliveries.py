"""The deliveries of a subscription: look at them, send them again, send a test event."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from shared.composition import bridge
from shared.domain.deliveries import MOST_ENDED, Stage
from shared.domain.events.wire import Wire
from shared.domain.subscriptions import Subscription
from shared.errors import NotFoundError
from shared.usecases.replay import Wanted
from triggers.lists import Paged, Since, TimedQuery, Until, next_link
from triggers.operations import Reply, Routes
from triggers.parameters import AnySubscriptionPath, DeliveryPath
from triggers.views import AttemptView, CloudEvent, DeliveryView, StageName, attempts, seen

routes = Routes()
blueprint = routes.blueprint

FINDING = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)


class DeliveryQuery(TimedQuery):
    """Which deliveries to list, by when their events happened."""

    stage: StageName | None = Field(
        default=None,
        description="Only those that are attempting, waiting, held, delivered or dead; all when left out.",
    )


class DeliveryDetail(DeliveryView):
    """A delivery with its attempts and its event."""

    history: Sequence[AttemptView] = Field(description=f"Its latest attempts, at most {MOST_ENDED}, the oldest first.")
    event: CloudEvent = Field(description="The event.")


class Replay(BaseModel):
    """Which events to send again."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    since: Since = Field(description="The first time whose events to send again, with its zone.")
    until: Until | None = Field(
        default=None, description="The time, with its zone, from which on to send none again; now when left out."
    )
    which: Literal["undelivered", "all"] = Field(
        default="undelivered", description="undelivered: not those that the flow has taken; all: those, too."
    )
    dry_run: StrictBool = Field(default=False, description="Yes: only say how many events that would be.")


class Counted(Wire):
    """How many there are."""

    count: int = Field(description="How many.")


class Sent(Wire):
    """What is on its way."""

    event_id: str = Field(description="The id of the event.")


@routes(
    "POST",
    "subscriptions/{id}/test",
    summary="Send a test event",
    visibility="normal",
    answers={HTTPStatus.ACCEPTED: Sent},
    problems=FINDING,
)
async def send_test_event(path: AnySubscriptionPath) -> Reply:
    """Sends a sample to one flow alone, at once and whatever the status of its subscription."""
    return Reply(Sent(event_id=await bridge().redeliver.test(path.id)), HTTPStatus.ACCEPTED)


@routes("GET", "subscriptions/{id}/deliveries", summary="List deliveries", visibility="normal", problems=FINDING)
async def list_deliveries(
    path: AnySubscriptionPath, query: DeliveryQuery, req: func.HttpRequest
) -> Paged[DeliveryView]:
    """The events for one subscription, those that happened last first, and how each stands."""
    subscription = await _subscription(path.id)
    page = await bridge().deliveries.page(
        path.id, query.part, stage=Stage(query.stage) if query.stage else None, between=query.between
    )
    here = f"/subscriptions/{quote(path.id, safe='')}/deliveries"
    return Paged[DeliveryView](
        value=[DeliveryView(**seen(delivery, subscription)) for delivery in page.items],
        next_link=next_link(req, here, query, page.cursor),
    )


@routes("GET", "subscriptions/{id}/deliveries/{eventId}", summary="Get a delivery", problems=FINDING)
async def get_delivery(path: DeliveryPath) -> DeliveryDetail:
    """How the delivery of one event to one subscription stands, with the event."""
    subscription = await _subscription(path.id)
    delivery = await bridge().follow.delivery(path.id, path.event_id)
    event = CloudEvent.model_validate(delivery.event.raw)
    return DeliveryDetail(event=event, history=attempts(delivery), **seen(delivery, subscription))


@routes(
    "POST",
    "subscriptions/{id}/deliveries/{eventId}/redeliver",
    summary="Redeliver an event",
    answers={HTTPStatus.ACCEPTED: Sent},
    problems=FINDING,
)
async def redeliver(path: DeliveryPath) -> Reply:
    """Attempts a delivery now, whatever has become of it; one that waits is moved forward, not doubled."""
    await bridge().redeliver.delivery(path.id, path.event_id)
    return Reply(Sent(event_id=path.event_id), HTTPStatus.ACCEPTED)


@routes(
    "POST",
    "subscriptions/{id}/replay",
    summary="Replay events",
    visibility="normal",
    answers={HTTPStatus.ACCEPTED: Counted, HTTPStatus.OK: Counted},
    problems=FINDING,
)
async def replay_events(path: AnySubscriptionPath, body: Replay) -> Reply:
    """Sends a flow the events of a time that it would get now, also those from before it subscribed."""
    wanted = Wanted(body.since, body.until, body.which)
    count = await bridge().replay(path.id, wanted, is_dry=body.dry_run)
    return Reply(Counted(count=count), HTTPStatus.OK if body.dry_run else HTTPStatus.ACCEPTED)


async def _subscription(subscription_id: str) -> Subscription:
    found = await bridge().subscriptions.get(subscription_id)
    if found is None:
        raise NotFoundError("There is no such subscription.")
    return found[0]
