"""Replay: have a subscription get the logged events of a time, or get them again.

They join its backlog in a line of their own, so that what happens meanwhile does not wait for them.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.deliveries import Delivery, EventKey, Line, New, Stage
from shared.domain.events.envelope import Event
from shared.domain.logs import Between
from shared.domain.subscriptions import Subscription
from shared.errors import LostRaceError, NotFoundError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.logs import DeadLetterLog, EventLog
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.backlog import LOST_AFTER, Backlog
from shared.usecases.bury import letter_of

# After so long, the look at the backlog is insured anew.
EVERY = LOST_AFTER / 2

log = logging.getLogger("bridge.replay")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The events of a time; `which` leaves out those that the subscription has taken, or does not."""

    since: datetime
    until: datetime | None = None
    which: Literal["undelivered", "all"] = "undelivered"


class Replay:
    """Replays events."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        events: EventLog,
        letters: DeadLetterLog,
        backlog: Backlog,
        clock: Clock,
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._events = events
        self._letters = letters
        self._backlog = backlog
        self._clock = clock

    async def __call__(self, subscription_id: str, wanted: Wanted, *, is_dry: bool = False) -> int:
        """Put the events into the backlog (dry: do nothing); gives how many. Raises `NotFoundError`.

        What is under way is left alone. After a death, the same request goes on where it was.
        """
        found = await self._subscriptions.get(subscription_id)
        if found is None:
            raise NotFoundError("There is no such subscription.")
        subscription, count = found[0], 0
        insured_at: datetime | None = None
        events = self._events.between(
            subscription.instance_id, subscription.trigger.event_type, Between(wanted.since, wanted.until)
        )
        async for event in events:
            if not subscription.wants(event):
                continue
            now = self._clock()
            if not is_dry and (insured_at is None or now > insured_at + EVERY):
                await self._backlog.expect(subscription_id)
                insured_at = now
            count += await self._join(subscription, event, wanted, is_dry=is_dry)
        if not is_dry:
            await self._backlog.start(subscription_id)
            log.info("events.replayed subscription=%s count=%d", subscription_id, count)
        return count

    async def _join(self, subscription: Subscription, event: Event, wanted: Wanted, *, is_dry: bool) -> bool:
        now = self._clock()
        found = await self._deliveries.get(subscription.id, EventKey(event.time, event.id))
        taken = {Stage.DEAD, Stage.DELIVERED} if wanted.which == "all" else {Stage.DEAD}
        if found is not None and found[0].stage not in taken:
            if found[0].replayed and not is_dry:  # whoever has put it in may have died before he forgot its letter
                letter = await self._letters.get(letter_of(found[0]))
                if letter is not None and await self._deliveries.get(subscription.id, found[0].key) == found:
                    await self._letters.remove(letter.id, letter.recorded_at)
            return False
        if is_dry:
            return True
        is_dead = found is not None and found[0].stage is Stage.DEAD
        letter = await self._letters.get(letter_of(found[0])) if found is not None and is_dead else None
        try:
            if found is None:
                new = New(subscription.id, event, now, None, event.traceparent, subscription.created_at)
                await self._deliveries.put(Delivery.held(new, now, Line.REPLAYED))
            else:
                await self._deliveries.put(found[0].replay(now, subscription.created_at), found[1], found[0])
        except LostRaceError:
            return False
        if letter is not None:
            await self._letters.remove(letter.id, letter.recorded_at)
        return True
