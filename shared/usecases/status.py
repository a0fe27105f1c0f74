"""Status: how the bridge is, told from a few rows and from counts that end early."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from shared.domain.ids import EVERY_INSTANCE
from shared.domain.polls import Polled
from shared.domain.subscriptions import Status
from shared.domain.timers import HEARTBEAT
from shared.ports.deliveries import DeliveryStore
from shared.ports.logs import DeadLetterLog
from shared.ports.polling import PollStore, TimerStore
from shared.ports.queues import Waiting
from shared.ports.subscriptions import SubscriptionStore

# Nobody counts on from here.
MOST = 1_000
# So many backlogs are counted at once.
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; or at least, where there are `more`."""

    count: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class BridgeStatus:
    """How the bridge is: its polls, its subscriptions by status, what waits in its queues (by name), and what does not.

    `held` is what waits in backlogs for subscriptions to be active, or to be let out. `polled_at` is when a timer last
    began to poll, `heartbeat_at` when it was last looked whether the timers run.
    """

    polls: Sequence[Polled]
    subscriptions: Mapping[Status, int]
    queues: Mapping[str, Count]
    held: Count
    dead_letters: Count
    polled_at: datetime | None
    heartbeat_at: datetime | None


class ReadStatus:
    """Says how the bridge is."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        polls: PollStore,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        letters: DeadLetterLog,
        timers: TimerStore,
        queues: Mapping[str, Waiting],
    ) -> None:
        self._polls = polls
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._letters = letters
        self._timers = timers
        self._queues = queues

    async def __call__(self) -> BridgeStatus:
        """How the bridge is now."""
        polls, (subscriptions, held), letters, ticked, waiting = await asyncio.gather(
            self._polled(),
            self._subscribed(),
            self._letters.count(MOST + 1),
            self._timers.all(),
            asyncio.gather(*(queue.count() for queue in self._queues.values())),
        )
        queues = dict(zip(self._queues, map(counted, waiting), strict=True))
        polled_at = max((one.at for one in ticked if not one.name.startswith(HEARTBEAT)), default=None)
        heartbeat_at = next((one.at for one in ticked if one.name == HEARTBEAT), None)
        return BridgeStatus(polls, subscriptions, queues, held, counted(letters), polled_at, heartbeat_at)

    async def _polled(self) -> Sequence[Polled]:
        found = [polled async for polled in self._polls.all()]
        latest = {polled.family: polled.last_poll_at for polled in sorted(found, key=lambda it: it.last_poll_at)}
        return [
            polled
            for polled in found
            # That instances could not be listed is told for as long as it is so.
            if polled.instance_id != EVERY_INSTANCE
            or (polled.is_failing and polled.last_poll_at == latest[polled.family])
        ]

    async def _subscribed(self) -> tuple[Mapping[Status, int], Count]:
        by_status, backlogs = Counter[Status](), list[str]()
        async for subscription in self._subscriptions.standings():
            by_status[subscription.status] += 1
            if not subscription.is_open:
                backlogs.append(subscription.id)
        held = 0
        for ids in batched(backlogs, AT_ONCE, strict=False):
            held += sum(await asyncio.gather(*(self._deliveries.held(id_, MOST + 1) for id_ in ids)))
            if held > MOST:
                break
        return by_status, counted(held)


def counted(number: int) -> Count:
    """A number, as far as it is counted."""
    return Count(min(number, MOST), number > MOST)
