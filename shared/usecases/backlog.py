"""Backlog: put deliveries into a subscription's backlog, and see to it that somebody lets it out.

Whoever puts something in looks at the subscription afterwards, and whoever has let all out looks at the backlog
afterwards: whatever the order of their steps, one of them sees what the other has done.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from shared.domain.deliveries import Delivery
from shared.domain.messages import Release
from shared.domain.subscriptions import Subscription
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.agenda import Agenda
from shared.usecases.change import change
from shared.usecases.shared_calls import SharedCalls

# A look that is so much overdue, or a message that has not come for so long, is taken for lost.
LOST_AFTER = timedelta(seconds=60)
# A look that is arranged for later than this is moved forward when something is put in.
AT_ONCE = timedelta(seconds=1)
# The most that is counted of what is held for one subscription.
MOST_HELD = 1_000


class Backlog:
    """What waits for subscriptions."""

    def __init__(
        self, *, subscriptions: SubscriptionStore, deliveries: DeliveryStore, agenda: Agenda, clock: Clock
    ) -> None:
        self._subscriptions = subscriptions
        # A burst of events for one flow puts in one after the other.
        self._start = SharedCalls(partial(self._see_to, is_careful=False))
        self._start_carefully = SharedCalls(partial(self._see_to, is_careful=True))
        self._deliveries = deliveries
        self._agenda = agenda
        self._clock = clock

    async def add(
        self, held: Delivery, version: str | None = None, was: Delivery | None = None, *, is_careful: bool = False
    ) -> None:
        """Put a delivery in, new or in place of what it was. Raises `LostRaceError` when its record has changed."""
        await self._deliveries.put(held, version, was)
        await self.start(held.subscription_id, is_careful=is_careful)

    async def start(self, subscription_id: str, *, is_careful: bool = False) -> None:
        """See to it that somebody lets the backlog out, unless somebody does, or it has to wait.

        `is_careful`: the flow has been called at its rate just now. Of a subscription that has ended, it is forgotten.
        """
        await (self._start_carefully if is_careful else self._start)(subscription_id)

    async def _see_to(self, subscription_id: str, *, is_careful: bool) -> None:
        before = self._clock()
        found = await self._subscriptions.get(subscription_id)
        now = self._clock()
        if found is None:
            await self._deliveries.drop(subscription_id, before)
        elif needs_start(found[0], now):
            await self._arrange(
                subscription_id, lambda it: it if needs_start(it, now) else None, now, is_careful=is_careful
            )

    async def expect(self, subscription_id: str) -> None:
        """Have the backlog looked at in a while, whatever becomes of who is about to put something in."""
        now = self._clock()
        await self._agenda.insure(Release(subscription_id, now), now + LOST_AFTER)

    async def open(
        self, subscription_id: str, how: Callable[[Subscription], Subscription | None]
    ) -> Subscription | None:
        """Change a subscription so that it takes events again, and let its backlog out before them.

        `how` gives the active subscription, or None where there is nothing to change; gives what then stands there.
        """
        held = await self._deliveries.held(subscription_id, MOST_HELD)
        return await self._arrange(subscription_id, how, self._clock(), held=held)

    async def _arrange(
        self,
        subscription_id: str,
        how: Callable[[Subscription], Subscription | None],
        now: datetime,
        *,
        is_careful: bool = False,
        held: int = 0,
    ) -> Subscription | None:
        release = Release(subscription_id, now, is_careful)
        await self._agenda.insure(release, now + LOST_AFTER)

        def arranged(it: Subscription) -> Subscription | None:
            changed = how(it)
            return replace(changed, release_at=now) if changed is not None else None

        stands = await change(self._subscriptions, subscription_id, arranged, held)
        if stands is not None and stands.release_at == now:
            await self._agenda.look(release, now)
        await self._agenda.waive(release, now + LOST_AFTER)
        return stands


def needs_start(subscription: Subscription, now: datetime) -> bool:
    """Whether nobody lets its backlog out or will in time, though it may go out."""
    if subscription.status not in {"active", "failing"} or is_leased(subscription, now):
        return False
    at = subscription.release_at
    if at is None or at + LOST_AFTER < now:
        return True
    # A failing one has a time for its next probe; of an active one, nothing is to wait for.
    return subscription.status == "active" and at > now + AT_ONCE


def is_leased(subscription: Subscription, now: datetime) -> bool:
    """Whether somebody is letting its backlog out."""
    return subscription.leased_until is not None and subscription.leased_until > now
