"""The queues."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.deliveries import New
from shared.domain.messages import Beat, Look, Release, encode_new, encode_shard
from shared.domain.slots import Shard
from shared.errors import TooLargeError
from tests.fakes.process import ClockFake, Fate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _written(message: New | Look | Release | Shard | Beat) -> str:
    match message:
        case New():
            return encode_new(message)
        case Shard():
            return encode_shard(message)
    return message.encode()


class QueueFake[M: (New | Look, Release, Shard | Beat)]:
    """A queue on a virtual clock: text in, text out, each message from its time on; `taken` is by whoever is quick."""

    def __init__(self, clock: ClockFake, fate: Fate | None = None) -> None:
        self.taken: Callable[[], Awaitable[None]] | None = None
        self._clock = clock
        self._fate = fate or Fate()
        self.failures: list[Exception] = []
        self.messages: list[tuple[datetime, str]] = []
        self.sent = 0
        self.max_bytes = 49_152

    async def send(self, message: M, delay: timedelta = timedelta(0)) -> None:
        if self.failures:
            raise self.failures.pop(0)
        text = _written(message)
        if len(text.encode()) > self.max_bytes:
            raise TooLargeError("too large for a message")
        at = self._clock() + max(delay, timedelta(0))
        self.sent += 1
        await self._fate.step(lambda: self.messages.append((at, text)))
        if self.taken is not None:
            await self.taken()

    async def add(self, text: str, delay: timedelta) -> None:
        self.messages.append((self._clock() + delay, text))

    async def oldest(self) -> datetime | None:
        at = self.next_at()
        return at if at is not None and at <= self._clock() else None

    def due(self) -> list[str]:
        """The messages that show now, oldest first."""
        return [text for at, text in sorted(self.messages) if at <= self._clock()]

    def remove(self, text: str) -> None:
        self.messages.remove(next(message for message in sorted(self.messages) if message[1] == text))

    def next_at(self) -> datetime | None:
        return min((at for at, _ in self.messages), default=None)


class WaitingFake:
    """A queue of which only the length is known."""

    def __init__(self, length: int = 0) -> None:
        self.length = length

    async def oldest(self) -> datetime | None:
        return None

    async def count(self) -> int:
        await asyncio.sleep(0)
        return self.length
