"""Edit: pause a subscription, let it take events again, change what it asks for."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import ValidationError

from shared.domain.subscriptions import Subscription
from shared.errors import InvalidInputError, LostRaceError, NotFoundError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.attempt import Attempt, Stored
from shared.usecases.backlog import Backlog
from shared.usecases.change import change
from shared.usecases.notify import Notify

# So much of a backlog is read at a time.
PAGE = 100
DISCARDED = "discarded by hand"
PAUSED = "paused by hand"

log = logging.getLogger("bridge.subscribe")


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change; None and what is not among `filters` stays as it is. An empty label is none.

    `backlog` says what becomes of what is held when it is made active.
    """

    status: Literal["active", "paused"] | None = None
    backlog: Literal["deliver", "discard"] = "deliver"
    label: str | None = None
    filters: Mapping[str, object] = field(default_factory=dict)


class Edit:
    """Changes subscriptions."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        attempt: Attempt,
        backlog: Backlog,
        notify: Notify,
        clock: Clock,
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._attempt = attempt
        self._backlog = backlog
        self._notify = notify
        self._clock = clock

    async def __call__(self, subscription_id: str, edits: Edits) -> Subscription:
        """Change a subscription; gives it as it then is.

        Raises `NotFoundError`, and `InvalidInputError` on a filter that its trigger does not have or refuses.
        """
        if edits.status == "active" and edits.backlog == "discard":
            await self._discard(subscription_id)

        def changed(it: Subscription) -> Subscription | None:
            new = _filtered(it, edits.filters)
            if edits.label is not None:
                new = replace(new, label=edits.label or None)
            now = self._clock()
            if edits.status == "paused" and it.status != "paused":
                new = replace(new, status="paused", status_reason=PAUSED, status_since=now)
            if edits.status == "active" and it.status != "active":
                new = new.activated(now)
            return replace(new, updated_at=now) if new != it else None

        if edits.status == "active":
            found = await self._backlog.open(subscription_id, changed)
        else:
            found = await change(self._subscriptions, subscription_id, changed)
        if found is None:
            raise NotFoundError("There is no such subscription.")
        log.info("subscription.edited id=%s status=%s", found.id, found.status)
        await self._notify(found)
        return found

    async def _discard(self, subscription_id: str) -> None:
        """Make dead letters of all that is held now."""
        until = self._clock()
        while keys := await self._deliveries.line(subscription_id, PAGE):
            given_up = 0
            for key in keys:
                found = await self._deliveries.get(subscription_id, key)
                if found is None or found[0].is_claimed(until) or found[0].updated_at > until:
                    continue
                try:
                    await self._attempt.end(Stored(*found), DISCARDED)  # one that is dead has not left the line yet
                except LostRaceError:
                    continue
                given_up += 1
            if not given_up:
                return


def _filtered(subscription: Subscription, filters: Mapping[str, object]) -> Subscription:
    """It with other filters; a rule that changes is a new one, which starts from the last known value."""
    if not filters:
        return subscription
    names = {str(one.alias): name for name, one in type(subscription.filters).model_fields.items()}
    unknown = {name: f"is no filter of {subscription.trigger.slug}" for name in filters if name not in names}
    if unknown:
        raise InvalidInputError(unknown)
    given = {**subscription.filters.model_dump(by_alias=True), **filters}
    try:
        new = subscription.trigger.filters.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidInputError({str(one["loc"][0]): one["msg"] for one in wrong}) from None
    if new == subscription.filters:
        return subscription
    return replace(subscription, filters=new, rule_id=uuid.uuid4().hex)
