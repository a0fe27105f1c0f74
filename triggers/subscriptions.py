"""The routes of flows: subscribe, unsubscribe, look at subscriptions."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from itertools import batched
from typing import Annotated, Any
from urllib.parse import quote

import azure.functions as func
from pydantic import AfterValidator, AwareDatetime, Field, WithJsonSchema

from shared.composition import bridge
from shared.domain.catalog import Listing
from shared.domain.events.wire import Number, Wire
from shared.domain.notices import fails_since, switch_off_at
from shared.domain.runs import hint
from shared.domain.subscriptions import Status, Subscription
from shared.domain.triggers import TRIGGERS, Trigger
from shared.domain.wishes import Wish
from shared.errors import NotFoundError
from shared.usecases.backlog import MOST_HELD
from shared.usecases.subscribe import Subscribed
from triggers.addresses import absolute
from triggers.operations import Reply, Routes
from triggers.parameters import ChosenSubscriptionPath, Path, SubscriptionPath, TokenPath, TriggerPath
from triggers.requests import parse_body

routes = Routes()
blueprint = routes.blueprint

TRIGGER_ROUTE = "triggers/{trigger}/subscriptions"
UNSUBSCRIBE = "unsubscribe/{token}"
SUBSCRIBING = (HTTPStatus.BAD_REQUEST,)
# The deliveries of so many subscriptions are counted at a time.
AT_ONCE = 32


class SubscriptionView(Wire):
    """A subscription as callers see it: without its callback."""

    id: str = Field(description="The id of the subscription.")
    trigger: str = Field(description="The trigger.")
    event_type: str = Field(description="The type of the events it brings.")
    instance_id: str = Field(title="Environment id", description="The id of the Customer Insights environment.")
    data_source_id: str | None = Field(default=None, description="The data source; any when absent.")
    segment_name: str | None = Field(default=None, description="The segment; any when absent.")
    measure_name: str | None = Field(default=None, description="The measure; any when absent.")
    dimensions: dict[str, str | Number] | None = Field(
        default=None, description="The values of the measure's dimensions, by dimension."
    )
    aggregate: str | None = Field(default=None, description="The calculation of the measure.")
    export_id: str | None = Field(default=None, description="The export; any when absent.")
    threshold: Number | None = Field(default=None, description="The threshold.")
    direction: str | None = Field(default=None, description="Which way to cross it.")
    rearm_margin: Number | None = Field(
        default=None, description="How far back the value must go before the same crossing counts again."
    )
    outcome: str | None = Field(default=None, description="How the run must have ended.")
    submission_kind: str | None = Field(default=None, description="How the run must have been started.")
    stage: str | None = Field(default=None, description="The stage; any when absent.")
    max_age_hours: Number | None = Field(default=None, description="After how many hours it is overdue.")
    family: str | None = Field(default=None, description="The kind of resource; any when absent.")
    subscription_id: str | None = Field(default=None, description="The subscription; any when absent.")
    label: str | None = Field(default=None, description="A name for people to recognise it by.")
    status: Status = Field(
        description="active: events go to the flow; failing: one is tried now and then; paused, suspended: none is. "
        "What does not go out is held."
    )
    status_reason: str | None = Field(default=None, description="Why it is not active.")
    status_since: AwareDatetime = Field(description="Since when it has this status (UTC).")
    failing_since: AwareDatetime | None = Field(
        default=None, description="Since when its flow fails (UTC), while the status is failing."
    )
    switch_off_at: AwareDatetime | None = Field(
        default=None, description="When Power Automate switches a flow off that fails on (UTC)."
    )
    held: int = Field(description=f"How many deliveries are held for it; {MOST_HELD} stands for as many or more.")
    signed: bool = Field(description="Whether each delivery bears a signature.")
    created_at: AwareDatetime = Field(description="When it was first made (UTC).")
    updated_at: AwareDatetime = Field(description="When it was last changed (UTC).")
    callback_host: str = Field(description="The host of its callback.")


class SubscribedView(SubscriptionView):
    """A subscription as the answer to its flow shows it."""

    secret: str | None = Field(
        default=None,
        description="What its deliveries are signed with. It is shown when it is made, and never again.",
    )


def _known_trigger(slug: str) -> str:
    if slug not in TRIGGERS:
        raise ValueError(f"must be one of {', '.join(TRIGGERS)}")
    return slug


Slug = Annotated[str, AfterValidator(_known_trigger), WithJsonSchema({"type": "string", "enum": list(TRIGGERS)})]


class SubscriptionQuery(Path):
    """Which subscriptions to list."""

    instance_id: str | None = Field(
        default=None, title="Environment", description="Only those of this environment; all when left out."
    )
    trigger: Slug | None = Field(
        default=None, title="Trigger", description="Only those of this trigger; all when left out."
    )
    status: Status | None = Field(
        default=None,
        title="Status",
        description="Only those that are active, failing, paused or suspended; all when left out.",
    )


@routes(
    "POST",
    TRIGGER_ROUTE,
    summary="Subscribe",
    visibility="important",
    answers={HTTPStatus.CREATED: SubscribedView, HTTPStatus.OK: SubscribedView},
    problems=SUBSCRIBING,
    for_each_trigger=True,
)
async def subscribe(path: TriggerPath, req: func.HttpRequest) -> Reply:
    """Has a callback called at each event. The same wish again gives the same subscription again."""
    unsubscribe_at = absolute(req, "/unsubscribe/")  # first: who cannot be told it has not subscribed
    done = await bridge().subscribe(_wish(path, req))
    return await _reply(done, {"Location": unsubscribe_at + quote(done.token)})


@routes(
    "PUT",
    TRIGGER_ROUTE + "/{id}",
    summary="Subscribe with an id of your own",
    visibility="absent",
    answers={HTTPStatus.CREATED: SubscribedView, HTTPStatus.OK: SubscribedView},
    problems=(*SUBSCRIBING, HTTPStatus.CONFLICT),
    for_each_trigger=True,
)
async def subscribe_as(path: ChosenSubscriptionPath, req: func.HttpRequest) -> Reply:
    """Subscribes with an id that the caller chose, or replaces that subscription."""
    return await _reply(await bridge().subscribe(_wish(path, req), path.id))


@routes(
    "GET",
    TRIGGER_ROUTE + "/{id}",
    summary="Get a subscription",
    visibility="absent",
    problems=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
    for_each_trigger=True,
)
async def get_subscription(path: SubscriptionPath) -> SubscriptionView:
    """One subscription of a trigger."""
    trigger = _trigger(path)
    found = await bridge().subscriptions.get(path.id)
    if found is None or found[0].trigger is not trigger:
        raise NotFoundError(f"There is no such subscription to {trigger.slug}.")
    return await view(found[0])


@routes(
    "DELETE",
    TRIGGER_ROUTE + "/{id}",
    summary="Unsubscribe by id",
    visibility="absent",
    problems=(HTTPStatus.BAD_REQUEST,),
    for_each_trigger=True,
)
async def unsubscribe_by_id(path: SubscriptionPath) -> None:
    """Ends a subscription; one that is gone already is no error."""
    await bridge().unsubscribe.by_id(_trigger(path), path.id)


@routes("DELETE", UNSUBSCRIBE, summary="Unsubscribe", visibility="internal", is_open=True)
async def unsubscribe(path: TokenPath) -> None:
    """Ends the token's registration and those before it; a subscription asked for again since lives on.

    The answer tells nobody which tokens exist.
    """
    await bridge().unsubscribe.by_token(path.token)


@routes("GET", "subscriptions", summary="List subscriptions", problems=(HTTPStatus.BAD_REQUEST,))
async def list_subscriptions(query: SubscriptionQuery) -> Listing[SubscriptionView]:
    """All subscriptions, or those of an environment, a trigger or a status."""
    trigger = TRIGGERS[query.trigger] if query.trigger is not None else None
    found = [each async for each in bridge().subscriptions.all(query.instance_id, trigger, query.status)]
    value: list[SubscriptionView] = []
    for some in batched(found, AT_ONCE, strict=False):
        value += await asyncio.gather(*map(view, some))
    return Listing[SubscriptionView](value=value)


async def view(subscription: Subscription) -> SubscriptionView:
    """A subscription as callers see it. What may go straight to its flow is not held."""
    held = 0 if subscription.is_open else await bridge().deliveries.held(subscription.id, MOST_HELD)
    return viewed(subscription, held)


def viewed(subscription: Subscription, held: int) -> SubscriptionView:
    """The same, where it is known how many deliveries are held for it."""
    filters: Mapping[str, Any] = subscription.filters.model_dump()
    is_failing = subscription.status == "failing"
    return SubscriptionView(
        id=subscription.id,
        trigger=subscription.trigger.slug,
        event_type=subscription.trigger.event_type,
        instance_id=subscription.instance_id,
        label=subscription.label,
        status=subscription.status,
        status_reason=subscription.status_reason,
        status_since=subscription.status_since or subscription.created_at,
        failing_since=fails_since(subscription) if is_failing else None,
        switch_off_at=switch_off_at(subscription) if is_failing else None,
        held=held,
        signed=subscription.is_signed,
        created_at=subscription.created_at,
        updated_at=subscription.updated_at,
        callback_host=subscription.callback_host,
        **filters,
    )


async def _reply(done: Subscribed, headers: Mapping[str, str] | None = None) -> Reply:
    seen = await view(done.subscription)
    body = SubscribedView(**seen.model_dump(), secret=done.secret)
    return Reply(body, HTTPStatus.CREATED if done.created else HTTPStatus.OK, headers or {})


def _trigger(path: TriggerPath) -> Trigger:
    if path.trigger not in TRIGGERS:
        raise NotFoundError(f"There is no trigger {path.trigger}; there are {', '.join(TRIGGERS)}.")
    return TRIGGERS[path.trigger]


def _wish(path: TriggerPath, req: func.HttpRequest) -> Wish:
    trigger = _trigger(path)
    body = parse_body(req.get_body(), trigger.body)
    filters = trigger.filters.model_validate(body.model_dump(include=set(trigger.filters.model_fields)))
    return Wish(
        trigger,
        body.instance_id,
        filters,
        body.callback_url,
        body.label,
        signed=body.signed,
        environment_hint=hint(req.headers.get("x-ms-environment-id")),
        flow_hint=hint(req.headers.get("x-ms-workflow-name")),
    )
