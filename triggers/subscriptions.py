"""The routes of flows: subscribe, unsubscribe, look at subscriptions."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import azure.functions as func

from shared.composition import bridge
from shared.domain.subscriptions import TRIGGERS, Subscription, Trigger, Wish
from shared.errors import InvalidInputError, NotFoundError
from triggers.answers import answer, answering, nothing
from triggers.requests import parse_body

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

TRIGGER_ROUTE = "triggers/{trigger}/subscriptions"
STATUSES = ("active", "paused", "suspended")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@blueprint.route(route=TRIGGER_ROUTE, methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@answering
async def subscribe(req: func.HttpRequest) -> func.HttpResponse:
    """Subscribe; the same wish again gives the same subscription again."""
    done = await bridge().subscribe(_wish(req))
    status = HTTPStatus.CREATED if done.created else HTTPStatus.OK
    here = urlsplit(req.url)
    location = f"{here.scheme}://{here.netloc}/api/unsubscribe/{quote(done.token)}"
    return answer(shown(done.subscription), status, {"Location": location})


@blueprint.route(route=TRIGGER_ROUTE + "/{id}", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
@answering
async def subscribe_as(req: func.HttpRequest) -> func.HttpResponse:
    """Subscribe with an id that the caller chose, or replace that subscription."""
    chosen_id = req.route_params["id"]
    if not _ID.fullmatch(chosen_id):
        raise InvalidInputError({"id": "must be 1 to 64 letters, digits, dots, underscores or hyphens"})
    done = await bridge().subscribe(_wish(req), chosen_id)
    return answer(shown(done.subscription), HTTPStatus.CREATED if done.created else HTTPStatus.OK)


@blueprint.route(route=TRIGGER_ROUTE + "/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answering
async def show_subscription(req: func.HttpRequest) -> func.HttpResponse:
    """One subscription."""
    trigger = _trigger(req)
    found = await bridge().subscriptions.get(req.route_params["id"])
    if found is None or found[0].trigger is not trigger:
        raise NotFoundError(f"There is no such subscription to {trigger.slug}.")
    return answer(shown(found[0]))


@blueprint.route(route=TRIGGER_ROUTE + "/{id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
@answering
async def unsubscribe_by_id(req: func.HttpRequest) -> func.HttpResponse:
    """End a subscription; one that is gone already is no error."""
    await bridge().unsubscribe.by_id(_trigger(req), req.route_params["id"])
    return nothing()


@blueprint.route(route="unsubscribe/{token}", methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def unsubscribe(req: func.HttpRequest) -> func.HttpResponse:
    """End the subscription that the token is for; the answer tells nobody which tokens exist."""
    await bridge().unsubscribe.by_token(req.route_params["token"])
    return nothing()


@blueprint.route(route="subscriptions", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answering
async def list_subscriptions(req: func.HttpRequest) -> func.HttpResponse:
    """All subscriptions, or those of an instance, a trigger or a status."""
    instance_id, slug, status = (req.params.get(name) for name in ("instanceId", "trigger", "status"))
    wrong = {}
    if slug is not None and slug not in TRIGGERS:
        wrong["trigger"] = f"must be one of {', '.join(TRIGGERS)}"
    if status is not None and status not in STATUSES:
        wrong["status"] = f"must be one of {', '.join(STATUSES)}"
    if wrong:
        raise InvalidInputError(wrong)
    found = [
        shown(subscription)
        async for subscription in bridge().subscriptions.all()
        if instance_id in {None, subscription.instance_id}
        and slug in {None, subscription.trigger.slug}
        and status in {None, subscription.status}
    ]
    return answer({"value": found})


def shown(subscription: Subscription) -> Mapping[str, Any]:
    """A subscription as callers see it: without its callback."""
    body = {
        "id": subscription.id,
        "trigger": subscription.trigger.slug,
        "eventType": subscription.trigger.event_type,
        "instanceId": subscription.instance_id,
        **subscription.filters.model_dump(mode="json", by_alias=True),
        "label": subscription.label,
        "status": subscription.status,
        "statusReason": subscription.status_reason,
        "createdAt": subscription.created_at.isoformat(),
        "updatedAt": subscription.updated_at.isoformat(),
        "callbackHost": subscription.callback_host,
    }
    return {key: value for key, value in body.items() if value is not None}


def _trigger(req: func.HttpRequest) -> Trigger:
    slug = req.route_params["trigger"]
    if slug not in TRIGGERS:
        raise NotFoundError(f"There is no trigger {slug}; there are {', '.join(TRIGGERS)}.")
    return TRIGGERS[slug]


def _wish(req: func.HttpRequest) -> Wish:
    trigger = _trigger(req)
    body = parse_body(req.get_body(), trigger.body)
    filters = trigger.filters.model_validate(body.model_dump(include=set(trigger.filters.model_fields)))
    return Wish(trigger, body.instance_id, filters, body.callback_url, body.label)
