"""Observe: measure what no other use case sees pass by, which is what stands still.

It has a timer of its own, at a low rate: a look at each queue's head, one pass over the subscriptions, and a count of
what is held for those that have a backlog.
"""

from collections import Counter
from collections.abc import Mapping

from shared.domain.subscriptions import Status
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.queues import Waiting
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import HELD, OLDEST_PENDING, SUBSCRIPTIONS, Telemetry
from shared.usecases.backlog import MOST_HELD

# A status that no subscription has is told as well: 0 says that the last one is gone.
STATUSES: tuple[Status, ...] = ("active", "failing", "paused", "suspended")


class Observe:
    """Measures the queues, by name, and the subscriptions."""

    def __init__(
        self,
        *,
        queues: Mapping[str, Waiting],
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._queues = queues
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self) -> None:
        """Measure, if anybody listens."""
        if not self._telemetry.is_on:
            return
        for name, queue in self._queues.items():
            oldest = await queue.oldest()
            age = (self._clock() - oldest).total_seconds() if oldest else 0.0
            self._telemetry.measure(OLDEST_PENDING, max(0.0, age), queue=name)
        found, held = Counter[Status](), Counter[Status]()
        async for subscription in self._subscriptions.standings():
            found[subscription.status] += 1
            if not subscription.is_open:
                held[subscription.status] += await self._deliveries.held(subscription.id, MOST_HELD)
        for status in STATUSES:
            self._telemetry.measure(SUBSCRIPTIONS, found[status], status=status)
            self._telemetry.measure(HELD, held[status], status=status)
