"""Gate: an instance sends no more than its share straight to a flow, and a slow flow takes nobody else's place."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.usecases.gate import BRISK, MAX_UNDER_WAY, WINDOW, Gate, share


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def pass_through(gate: Gate, subscription_id: str) -> bool:
    token = object()
    entered = await gate.enter(subscription_id, token)
    if entered:
        gate.leave(subscription_id, token)
    return entered


async def test_a_burst_beyond_the_share_is_held_and_others_are_not() -> None:
    gate = Gate(15, Seconds())
    assert [await pass_through(gate, "a") for _ in range(share(15) + 3)] == [True] * share(15) + [False] * 3
    assert await pass_through(gate, "b")


async def test_the_share_comes_back_with_time() -> None:
    seconds = Seconds()
    gate = Gate(15, seconds)
    while await pass_through(gate, "a"):
        pass
    seconds.now += WINDOW
    assert await pass_through(gate, "a")


@given(rate=st.integers(1, 100), waits=st.lists(st.floats(0, 5), max_size=60))
async def test_no_window_holds_more_than_the_share(rate: int, waits: list[float]) -> None:
    seconds, entered = Seconds(), []
    gate = Gate(rate, seconds)
    for wait in waits:
        seconds.now += wait
        if await pass_through(gate, "a"):
            entered.append(seconds.now)
    for start in entered:
        assert sum(1 for at in entered if start <= at < start + WINDOW) <= share(rate)


async def test_a_slow_flow_holds_a_bounded_number_of_places_and_no_one_elses() -> None:
    seconds = Seconds()
    gate = Gate(1_000, seconds)
    under_way = [object() for _ in range(MAX_UNDER_WAY)]
    assert all([await gate.enter("slow", token) for token in under_way])
    seconds.now += BRISK + 0.1
    assert not await asyncio.wait_for(gate.enter("slow", object()), 0.1)
    assert await pass_through(gate, "quick")
    gate.leave("slow", under_way[0])
    assert await pass_through(gate, "slow")


async def test_a_place_with_a_brisk_flow_is_waited_for() -> None:
    gate = Gate(1_000)
    under_way = [object() for _ in range(MAX_UNDER_WAY)]
    assert all([await gate.enter("a", token) for token in under_way])
    waiting = asyncio.create_task(gate.enter("a", object()))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.leave("a", under_way[0])
    assert await asyncio.wait_for(waiting, 1)


async def test_an_attempt_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    gate = Gate(1_000)
    under_way = [object() for _ in range(MAX_UNDER_WAY)]
    assert all([await gate.enter("a", token) for token in under_way])
    waiting = asyncio.create_task(gate.enter("a", object()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for token in under_way:
        gate.leave("a", token)
    assert all([await gate.enter("a", token) for token in under_way])


async def test_subscriptions_that_are_not_called_any_more_are_forgotten() -> None:
    seconds = Seconds()
    gate = Gate(15, seconds)
    for number in range(1_000):
        assert await pass_through(gate, f"s{number}")
        seconds.now += 1
    assert len(gate) <= WINDOW + 2
