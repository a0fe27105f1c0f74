"""An event loop on virtual time: whoever sleeps costs nothing, and waits exactly as long as was asked for."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for a file, lets the time pass until the next timer is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        if not ready:
            self.now += timeout or 0
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now

    def run_in_executor[T](self, _executor: object, func: Callable[..., T], *args: object) -> asyncio.Future[T]:  # type: ignore[override]  # of the same use
        """Do at once what a thread would do: nobody has told this loop how long that takes."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread hands it on
            done.set_exception(error)
        return done


class LoopClock:
    """The time of the running loop, as the different parts want it."""

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError(f"somebody blocks the loop for {seconds} s")


def run[T](scenario: Coroutine[Any, Any, T]) -> T:
    """What a scenario gives."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(scenario)
