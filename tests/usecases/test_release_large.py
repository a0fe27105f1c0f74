"""A large backlog goes out at the permitted rate, in order, and takes no more memory than a small one."""

import logging
import tracemalloc
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from shared.domain.deliveries import Delivery, EventKey, New, Stage
from shared.usecases.gate import WINDOW
from tests.fakes import DeliveryStoreFake
from tests.usecases.world import World, event_of, subscription

RATE = 15


class Elsewhere(DeliveryStoreFake):
    """Keeps what is delivered where it takes none of this process's memory; what is put in is in order."""

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        written = await super().put(delivery, version, was)
        if delivery.stage is Stage.DELIVERED:
            del self.rows[delivery.subscription_id, delivery.key]
        return written

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        del subscription_id
        return [delivery.key for delivery, _ in islice(self.rows.values(), most)]


class Ids(list[Any]):
    """The ids of the events of which a flow was told."""

    def append(self, request: Any) -> None:  # noqa: ANN401 - an address, a body and headers
        super().append(request[2]["webhook-id"])


async def released(count: int) -> tuple[World, list[str], int]:
    """Let so many out; gives the world, the ids in order, and the bytes that it took at most."""
    tracemalloc.start()
    try:
        world = World(of=subscription(status="paused"), events=[], rate=RATE)
        world.deliveries = Elsewhere()
        world.callbacks.requests = Ids()
        world.begin()
        ids = []
        for number in range(count):
            event = event_of(number)
            ids.append(event.id)
            await world.deliveries.put(Delivery.held(New(world.mine, event, world.clock()), world.clock()))
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await world.backlog.open(world.mine, lambda it: replace(it, status="active"))
        await world.run()
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert not world.deliveries.rows
    return world, ids, grown


@pytest.mark.timeout(300)
async def test_ten_thousand_go_out_at_the_rate_in_order_and_with_the_memory_of_a_thousand(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)  # the records that pytest keeps take memory, too
    _, _, of_a_thousand = await released(1_000)
    world, ids, grown = await released(10_000)
    times = world.called
    most = max(bisect_left(times, at + WINDOW) - number for number, at in enumerate(times))
    per_second = (len(times) - 1) / (times[-1] - times[0])
    print(  # noqa: T201 - the figures
        f"\n10,000 held: {per_second:.2f}/s of {RATE} permitted, at most {most / WINDOW:.1f}/s in any 10 s, "
        f"{grown / 1024:.0f} KB at most (1,000: {of_a_thousand / 1024:.0f} KB)"
    )
    assert world.callbacks.requests == ids
    assert most <= RATE * WINDOW
    assert per_second == pytest.approx(RATE, rel=0.1)
    assert grown < of_a_thousand + 64 * 1024
