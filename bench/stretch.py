"""Polls a tenant twice, and tells for how long at most the second poll held up the event loop.

`python -m bench.stretch BEFORE AFTER` gets the addresses of what it shows before and after some of it has changed, and
prints a JSON list: seconds, and how many thresholds were crossed. Everything is watched.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from time import perf_counter
from typing import Final, override

from bench.answers import NIGHT
from bench.polled import WATCHED, calls_to
from shared.domain.resources import Measure, Segment
from shared.domain.rules import AnyRule, Rule
from shared.domain.triggers import Trigger
from shared.heap import keep_heap_small, pass_over_what_stays
from shared.insights.client import InsightsClient
from shared.usecases.poll import THRESHOLDS
from shared.wiring_polling import Polling
from tests.fakes import CheckpointStoreFake, ClockFake, PollStoreFake, PublisherFake, SubscriptionStoreFake
from tests.usecases.polling import worker_of

_BEAT: Final = 0.001  # seconds


class _Rules(SubscriptionStoreFake):
    """Rules as they are once they have come, for they come in pages, with waits between them."""

    def __init__(self, listed: Sequence[Segment | Measure]) -> None:
        super().__init__()
        self._rules = {
            kind: [Rule(f"{one.name} rule", one.name, Decimal(WATCHED)) for one in listed if isinstance(one, kind)]
            for kind in (Segment, Measure)
        }

    @override
    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        return self._rules[Segment if trigger.slug.startswith("segment") else Measure]


@asynccontextmanager
async def _longest() -> AsyncIterator[list[float]]:
    """The longest time for which nothing else got its turn while the context was open."""
    longest = [0.0]

    async def beat() -> None:
        while True:
            begun = perf_counter()
            await asyncio.sleep(_BEAT)
            longest[0] = max(longest[0], perf_counter() - begun - _BEAT)

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield longest
    finally:
        beating.cancel()


async def main(before: str, after: str) -> None:
    """Poll, and tell."""
    keep_heap_small()  # both as the app does
    pass_over_what_stays()
    earlier, later = calls_to(before), calls_to(after)
    clock, checkpoints, publisher = ClockFake(NIGHT + timedelta(days=2)), CheckpointStoreFake(), PublisherFake()
    client = InsightsClient(earlier)
    [instance] = await client.instances()
    listed: list[Segment | Measure] = [*await client.segments(instance.id), *await client.measures(instance.id)]
    subscriptions, polls = _Rules(listed), PollStoreFake()

    def worker(insights: InsightsClient) -> Polling:
        return worker_of(
            insights=insights,
            checkpoints=checkpoints,
            subscriptions=subscriptions,
            publisher=publisher,
            polls=polls,
            clock=clock,
        )

    await worker(client).poll(THRESHOLDS)
    async with _longest() as longest:
        await worker(InsightsClient(later)).poll(THRESHOLDS)
    sys.stdout.write(json.dumps([longest[0], len(publisher.events)]) + "\n")
    earlier.close()
    later.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
