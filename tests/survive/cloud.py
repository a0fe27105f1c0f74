"""The cloud: what all processes of the bridge share, their way to it, and what goes wrong on that way.

Every call of a port passes `Cloud.call`. How long it takes, and what becomes of it, follows from the seed, the call's
name and how many of that name came before: leaving out one thing of a schedule changes little of the rest.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

from shared.errors import ConfigurationError, TransientError
from tests.virtual_time import NOON

# What may become of a call: it is refused, before it does anything; it is done, and the answer is lost; it is done, and
# the SDK, which has not heard so, does it again; it takes long; the process dies before or after it is done.
type Trouble = Literal["refused", "denied", "lost", "repeated", "slow", "dies before", "dies after"]

# A call takes milliseconds, and seldom more. Seconds.
QUICK, SLOW = 0.02, (0.2, 1.2)
_MANY = 1021


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the n-th call (0, 1, …) of a name."""

    call: str
    number: int
    trouble: Trouble

    def __str__(self) -> str:
        return f"{self.call} #{self.number}: {self.trouble}"


class Process:
    """One running instance of the bridge: all of its tasks end with it. `skew` is by how much its clock is wrong."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.died_at: float | None = None
        self.skew = timedelta(0)
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def clock(self) -> datetime:
        """What time it takes it to be."""
        return NOON + timedelta(seconds=seconds()) + self.skew

    def spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Have it do something."""
        token = _OF.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            _OF.reset(token)

    def die(self) -> None:
        """End all that it does, at once and wherever it is."""
        self.is_dead, self.died_at = True, seconds()
        for task in list(self.tasks):
            task.cancel()


_OF: ContextVar[Process | None] = ContextVar("_OF", default=None)


def keep_tasks(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:  # noqa: ANN401 - as the loop gives it
    """Make a task that ends with the process which has begun it."""
    task = asyncio.Task(work, loop=loop, **more)
    if (process := _OF.get()) is not None:
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
    return task


def seconds() -> float:
    """The time that passes for everybody, in seconds since the beginning."""
    return asyncio.get_running_loop().time()


class Cloud:
    """`is_calm`: nothing goes wrong any more. `calls` counts them by name, `struck` are the faults that happened."""

    def __init__(self, seed: int, faults: dict[tuple[str, int], Trouble]) -> None:
        self.faults = faults
        self.is_calm = False
        self.calls: Counter[str] = Counter()
        self.struck: list[tuple[float, str, Fault]] = []
        self.on_death: Callable[[Process], None] = Process.die
        self.trace: list[str] | None = None
        chance = Random(seed)  # noqa: S311 - a schedule, and no secret
        self._quick = [chance.random() ** 3 * QUICK for _ in range(_MANY)]
        self._slow = [chance.uniform(*SLOW) for _ in range(_MANY)]

    def now(self) -> datetime:
        """What time it is, whatever any process takes it to be."""
        return NOON + timedelta(seconds=seconds())

    def chance(self, name: str, number: int) -> int:
        """A number that the seed, a name and a number decide."""
        place = (zlib.crc32(name.encode()) + 7919 * number) % _MANY
        return int(self._quick[place] * 1e9)

    async def call[T](self, process: Process, name: str, effect: Callable[[], T]) -> T:
        """Let a call of a process take effect, or whatever becomes of it."""
        number = self.calls[name]
        self.calls[name] = number + 1
        trouble = None if self.is_calm else self.faults.get((name, number))
        place = (zlib.crc32(name.encode()) + 7919 * number) % _MANY
        if self.trace is not None:
            self.trace.append(f"{seconds():10.3f} {process.name} {name} #{number} {trouble or ''}".rstrip())
        if trouble is None and not process.is_dead:
            await asyncio.sleep(self._quick[place])
            return effect() if not process.is_dead else await self._never()
        if process.is_dead:
            return await self._never()
        self.struck.append((seconds(), process.name, Fault(name, number, trouble)))
        await asyncio.sleep(self._slow[place] if trouble == "slow" else self._quick[place])
        return await self._troubled(process, name, effect, trouble, self._quick[-place])

    async def _troubled[T](
        self, process: Process, name: str, effect: Callable[[], T], trouble: Trouble, wait: float
    ) -> T:
        if process.is_dead:
            return await self._never()
        if trouble == "refused":
            raise TransientError(f"{name} answers 503")
        if trouble == "denied":
            raise ConfigurationError(f"{name} refuses the bridge")
        if trouble == "dies before":
            self.on_death(process)
            return await self._never()
        done = effect()
        await asyncio.sleep(wait)
        if process.is_dead:
            return await self._never()
        if trouble == "lost":
            raise TransientError(f"{name} cannot be reached")
        if trouble == "dies after":
            self.on_death(process)
            return await self._never()
        return effect() if trouble == "repeated" else done

    async def _never(self) -> Any:  # noqa: ANN401 - nobody gets it
        """Wait for the end: whoever is dead does nothing more."""
        raise asyncio.CancelledError
