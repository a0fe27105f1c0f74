"""The process and its time: a clock that somebody moves, and a death at any step."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Death(BaseException):
    """The process dies: nothing can catch this."""


class ClockFake:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Fate:
    """Kills the process around the n-th step (0, 1, …) of all fakes that share it: before or after it took effect."""

    def __init__(self, deadly: int | None = None, *, after: bool = False) -> None:
        self.deadly = deadly
        self.after = after
        self.steps = 0

    async def step[T](self, effect: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        mine, self.steps = self.steps, self.steps + 1
        if mine == self.deadly and not self.after:
            raise Death
        result = effect()
        if mine == self.deadly:
            raise Death
        return result
