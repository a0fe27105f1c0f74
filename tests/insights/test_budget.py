"""The budget: what the API asks for holds for all calls, and what it takes is found out without asking it too often."""

from datetime import timedelta

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import TransientError
from shared.insights.budget import CALLS_OF_A_POLL, Budget
from shared.insights.client import InsightsClient
from tests.insights.fakes import ENDPOINT, FakeClock, calls

INSTANCES = f"{ENDPOINT}/instances"


class Gateway:
    """An API that takes so many calls in each minute, and says of others when the next one begins."""

    def __init__(self, clock: FakeClock, limit: int, *, says_when: bool) -> None:
        self._clock, self._limit, self._says_when = clock, limit, says_when
        self._minute, self._used = 0, 0
        self.took = self.refused = 0

    def call(self, budget: Budget) -> None:
        minute = int(self._clock.now // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += 1
        if self._used <= self._limit:
            self.took += 1
            budget.taken()
        else:
            self.refused += 1
            budget.refused(60 - self._clock.now % 60 if self._says_when else None)


def ask_all_the_time(gateway: Gateway, budget: Budget, clock: FakeClock, minutes: int) -> None:
    end = clock.now + minutes * 60
    while clock.now < end:
        if wait := budget.take():
            clock.sleep(wait)
        else:
            clock.now += 0.05
            gateway.call(budget)


@given(limit=st.integers(20, 600), says_when=st.booleans(), start=st.floats(0, 60))
def test_the_limit_of_an_api_is_found_and_used(*, limit: int, says_when: bool, start: float) -> None:
    clock = FakeClock(start)
    budget, gateway = Budget(clock), Gateway(clock, limit, says_when=says_when)
    ask_all_the_time(gateway, budget, clock, 10)
    gateway.took = gateway.refused = 0
    ask_all_the_time(gateway, budget, clock, 60)
    assert gateway.took >= 0.75 * limit * 60
    assert gateway.refused <= 0.1 * gateway.took


def test_without_a_refusal_nothing_is_held_back() -> None:
    clock = FakeClock()
    budget = Budget(clock)
    for _ in range(10_000):
        assert budget.take() == 0
        assert budget.begin() == 0
        budget.taken()


def test_after_a_time_of_overload_the_pace_comes_back() -> None:
    clock = FakeClock()
    budget, strained = Budget(clock), Gateway(clock, 20, says_when=True)
    ask_all_the_time(strained, budget, clock, 10)
    well = Gateway(clock, 10**9, says_when=True)
    ask_all_the_time(well, budget, clock, 60)
    well.took = 0
    ask_all_the_time(well, budget, clock, 10)
    assert well.took >= 10 * 200


@given(st.integers(20, 500), st.integers(1, 200))
def test_no_more_polls_are_begun_than_there_is_room_for(taken: int, wanted: int) -> None:
    clock = FakeClock()
    budget = Budget(clock)
    for _ in range(taken):
        budget.take()
        budget.taken()
    budget.take()
    budget.refused(1)
    clock.now += 61
    begun = sum(1 for _ in range(wanted) if not budget.begin())
    assert begun == min(wanted, max(1, int(max(10, taken * 0.9)) // CALLS_OF_A_POLL))
    for _ in range(begun):
        budget.end()
    assert budget.begin() == 0


async def test_what_one_call_is_told_holds_for_all_polls() -> None:
    clock = FakeClock()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        api.get(INSTANCES, status=429, headers={"Retry-After": "20"})
        api.get(INSTANCES, json=[])
        shared = calls(clock, patience=timedelta(seconds=16))
        with pytest.raises(TransientError) as refused:
            await InsightsClient(shared.hurried()).instances()
        assert (refused.value.retry_after, len(api.calls)) == (20, 1)
        clock.now += 3
        with pytest.raises(TransientError, match="takes no more calls") as left_out:
            await InsightsClient(shared).instances()
        assert (left_out.value.retry_after, len(api.calls)) == (17, 1)
        clock.now += 2
        before = clock.now
        await InsightsClient(shared).instances()
        assert (clock.now - before, len(api.calls)) == (15, 2)


async def test_who_waits_for_an_answer_does_not_wait_for_the_polls_turn() -> None:
    clock = FakeClock()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        api.get(INSTANCES, status=429, headers={"Retry-After": "20"})
        api.get(INSTANCES, json=[])
        shared = calls(clock)
        with pytest.raises(TransientError):
            await InsightsClient(shared.hurried()).instances()
        before = clock.now
        await InsightsClient(shared.hurried()).instances()
        assert (clock.now, len(api.calls)) == (before, 2)
        assert shared.budget.begin() > 0


def test_whoever_waits_beside_polls_that_go_on_asks_again_soon() -> None:
    clock = FakeClock()
    budget = Budget(clock)
    for _ in range(41):
        assert budget.take() == 0
    budget.refused(0)  # it takes 36 in a minute
    clock.sleep(61)
    for _ in range(20):
        assert budget.take() == 0
    assert [budget.begin() for _ in range(3)] == [0, 0, 0]
    assert 0 < budget.begin() <= 1
    budget.end()
    assert budget.begin() == 0
