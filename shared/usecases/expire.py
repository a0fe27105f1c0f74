"""Expire: give up what has been held for too long.

Whoever lets a backlog out gives up what it comes to that is too old. Of a subscription that is not active, nobody lets
the backlog out; so somebody has to look.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from shared.domain.deliveries import Delivery, Stage
from shared.domain.logs import Between, Purged
from shared.domain.pages import Slice
from shared.domain.subscriptions import Status, Subscription
from shared.errors import LostRaceError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.attempt import Attempt, Stored
from shared.usecases.release import HELD_TOO_LONG

NOT_ACTIVE: Sequence[Status] = ("failing", "paused", "suspended")
# What is dead and stands in a line was given up by a process that died before it was buried.
STAGES = (Stage.HELD, Stage.DEAD)
# So many subscriptions are looked at, and so many deliveries read, at a time.
AT_ONCE = 32
MAX_PAGE = 100


class Expire:
    """Gives up what is too old in the backlogs of subscriptions that are not active."""

    def __init__(
        self, *, subscriptions: SubscriptionStore, deliveries: DeliveryStore, attempt: Attempt, clock: Clock
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._attempt = attempt
        self._clock = clock

    async def __call__(self, before: datetime, until: datetime) -> Purged:
        """Give up what is held since before a time, for as long as it is not `until`; gives how many.

        One subscription's trouble keeps no other waiting: raises all of it, as a group, at the end.
        """
        count, troubles = 0, list[Exception]()

        async def expire(subscription: Subscription) -> None:
            nonlocal count
            try:
                async for delivery in self._old(subscription, before):
                    has_left = await self._give_up(delivery, subscription)
                    count += has_left
                    if self._clock() >= until:
                        return
            except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
                troubles.append(error)

        async for some in self._not_active():
            await asyncio.gather(*map(expire, some))
            if self._clock() >= until:
                break
        if troubles:
            raise ExceptionGroup(f"the backlogs of {len(troubles)} subscriptions could not be looked at", troubles)
        return Purged(count, is_done=self._clock() < until)

    async def _not_active(self) -> AsyncIterator[Sequence[Subscription]]:
        """The subscriptions that are not active, some at a time."""
        some: list[Subscription] = []
        for status in NOT_ACTIVE:
            async for subscription in self._subscriptions.all(status=status):
                some.append(subscription)
                if len(some) == AT_ONCE:
                    yield some
                    some = []
        yield some

    async def _old(self, subscription: Subscription, before: datetime) -> AsyncIterator[Delivery]:
        """What has been in the backlog since before a time.

        No event is dispatched before its time. So what is looked for is among the deliveries of the events before that
        time, of which the log has forgotten all that have ended long ago.
        """
        for stage in STAGES:
            part: Slice | None = Slice(MAX_PAGE)
            while part is not None:
                page = await self._deliveries.page(subscription.id, part, stage=stage, between=Between(until=before))
                for delivery in page.items:
                    if delivery.line is not None and delivery.patient_since < before:
                        yield delivery
                part = Slice(MAX_PAGE, page.cursor) if page.cursor is not None else None

    async def _give_up(self, seen: Delivery, subscription: Subscription) -> bool:
        """Give up a delivery, unless it has changed since it was seen; whether it has left the backlog."""
        found = await self._deliveries.get(seen.subscription_id, seen.key)
        if found is None or found[0] != seen:
            return False
        stored = Stored(*found)
        try:
            if not seen.is_for(subscription.created_at):
                await self._deliveries.remove(seen, stored.version)
            else:
                await self._attempt.end(stored, HELD_TOO_LONG)
        except LostRaceError:  # somebody else does with it what is to be done
            return False
        return True
