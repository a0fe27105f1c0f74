"""The health check: asked by anybody, as often as they like, and made once."""

import asyncio
import logging
from datetime import timedelta

import pytest

from shared.errors import ConfigurationError, TransientError
from shared.usecases.check import FRESH_FOR, Check
from tests.fakes import ClockFake


class Storage:
    """Something that is checked: fails as told, hangs while told, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.under_way = 0
        self.most_under_way = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def check(self) -> None:
        self.calls += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.answers.wait()
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def clock() -> ClockFake:
    return ClockFake()


@pytest.fixture
def check(storage: Storage, clock: ClockFake) -> Check:
    return Check(storage.check, clock=clock)


@pytest.mark.parametrize("error", [None, TransientError("storage does not answer")])
async def test_a_hundred_callers_at_once_cost_one_check(
    check: Check, storage: Storage, error: Exception | None
) -> None:
    storage.error = error
    assert await asyncio.gather(*(check() for _ in range(100))) == [error is None] * 100
    assert storage.calls == 1


async def test_an_answer_is_some_seconds_old_at_most(check: Check, storage: Storage, clock: ClockFake) -> None:
    assert await check()
    storage.error = TransientError("x")
    clock.advance(FRESH_FOR - timedelta(milliseconds=1))
    assert await check()
    clock.advance(timedelta(milliseconds=1))
    assert not await check()
    storage.error = None
    assert not await check()
    clock.advance(FRESH_FOR)
    assert await check()
    assert storage.calls == 3


async def test_a_clock_that_is_set_back_keeps_no_answer_for_ever(
    check: Check, storage: Storage, clock: ClockFake
) -> None:
    assert await check()
    storage.error = TransientError("x")
    clock.advance(-timedelta(days=1))
    assert not await check()


async def test_a_check_that_hangs_does_not_pile_up(check: Check, storage: Storage, clock: ClockFake) -> None:
    storage.answers.clear()
    asking = []
    for _ in range(50):
        asking.append(asyncio.create_task(check()))
        await asyncio.sleep(0)
        clock.advance(FRESH_FOR)
    asking[0].cancel()  # a caller who leaves takes nobody's answer along
    await asyncio.sleep(0)
    storage.answers.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 49
    assert (storage.calls, storage.most_under_way) == (1, 1)


async def test_failure_and_recovery_are_logged_once(
    check: Check, storage: Storage, clock: ClockFake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge.health")

    async def ask(times: int, error: Exception | None) -> list[str]:
        caplog.clear()
        storage.error = error
        for _ in range(times):
            clock.advance(FRESH_FOR)
            await check()
        return [record.getMessage() for record in caplog.records]

    assert await ask(3, None) == []
    assert await ask(5, TransientError("storage does not answer")) == ["health.failed reason=storage does not answer"]
    # What is wrong now is news; what was told already is not.
    assert await ask(5, ConfigurationError("X is missing")) == ["health.failed reason=X is missing"]
    assert await ask(5, TransientError("storage does not answer")) == []
    assert await ask(3, None) == ["health.recovered"]
    assert await ask(2, TransientError("storage does not answer")) == ["health.failed reason=storage does not answer"]


async def test_an_error_that_nobody_named_is_logged_with_its_trace_once(
    check: Check, storage: Storage, clock: ClockFake, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        storage.error = KeyError(number)
        assert not await check()
        clock.advance(FRESH_FOR)
    [record] = [record for record in caplog.records if record.name == "bridge.health"]
    assert record.exc_info is not None
