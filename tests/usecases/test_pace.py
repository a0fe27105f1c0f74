"""Pace: no flow is called more often than it may be, and a slow one takes nobody else's place."""

import asyncio
from itertools import pairwise

import pytest

from shared.usecases.pace import BRISK, MAX_UNDER_WAY, SLOW_FLOW_DELAY, Pace


async def test_no_more_deliveries_begin_in_a_second_than_permitted() -> None:
    pace = Pace(per_second=2)
    first = [await pace.enter("flow", n) for n in range(2)]
    later = [await pace.enter("flow", n) for n in range(2, 6)]
    assert first == [None, None]
    waits = [delay.total_seconds() for delay in later if delay is not None]
    assert len(waits) == 4
    assert waits[0] >= 1
    gaps = [after - before for before, after in pairwise(waits)]
    assert gaps == pytest.approx([0.5] * 3, abs=0.05)


async def test_a_flow_may_be_called_again_when_the_second_is_over() -> None:
    pace = Pace(per_second=1)
    assert await pace.enter("flow", 1) is None
    pace.leave("flow", 1)
    assert await pace.enter("flow", 2) is not None
    await asyncio.sleep(1.02)
    assert await pace.enter("flow", 3) is None


async def test_a_slow_flow_holds_a_bounded_number_of_places_and_no_one_elses() -> None:
    pace = Pace(per_second=1000)
    for n in range(MAX_UNDER_WAY):
        assert await pace.enter("slow", n) is None
    await asyncio.sleep(BRISK + 0.02)
    async with asyncio.timeout(0.05):  # it is known to be slow: nobody waits for a place
        assert await pace.enter("slow", "one more") == SLOW_FLOW_DELAY
        assert await pace.enter("brisk", 1) is None
    pace.leave("slow", 0)
    assert await pace.enter("slow", "one more") is None


async def test_a_place_with_a_brisk_flow_is_worth_a_short_wait() -> None:
    pace = Pace(per_second=1000)
    for n in range(MAX_UNDER_WAY):
        await pace.enter("flow", n)
    waiting = asyncio.create_task(pace.enter("flow", "next"))
    await asyncio.sleep(0.02)
    pace.leave("flow", 0)
    assert await waiting is None
