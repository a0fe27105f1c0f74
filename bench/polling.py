"""Polls a tenant in this process and tells how much memory that takes: `python -m bench.polling ADDRESS POLLS`.

Prints a JSON list: the most memory so far, in bytes above the start, after each poll.
"""

import asyncio
import json
import sys
from datetime import timedelta

from bench import memory
from bench.polled import calls_to
from shared.heap import keep_heap_small
from shared.insights.client import InsightsClient
from shared.usecases.poll import REFRESHES, THRESHOLDS
from tests.fakes import CheckpointStoreFake, ClockFake, PollStoreFake, PublisherFake, SubscriptionStoreFake
from tests.usecases.polling import worker_of


async def main(address: str, polls: int) -> None:
    """Poll, and tell."""
    keep_heap_small()  # as the app does
    calls, clock = calls_to(address), ClockFake()
    worker = worker_of(
        insights=InsightsClient(calls),
        checkpoints=CheckpointStoreFake(),
        subscriptions=SubscriptionStoreFake(),
        publisher=PublisherFake(),
        polls=PollStoreFake(),
        clock=clock,
    )
    start, above = memory.peak(), []
    for _ in range(polls):
        await worker.poll(REFRESHES)
        await worker.poll(THRESHOLDS)
        above.append(memory.peak() - start)
        clock.advance(timedelta(minutes=5))
    sys.stdout.write(json.dumps(above) + "\n")
    calls.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
