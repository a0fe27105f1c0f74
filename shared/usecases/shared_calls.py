"""Calls that many ask for at once, made once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

# Seconds; a storage call takes milliseconds.
LONGEST = 1.0


@dataclass(slots=True)
class _Call[T]:
    """A call that is under way, and the one that follows it."""

    over: asyncio.Future[None]
    following: asyncio.Task[T] | None = None


class SharedCalls[K: Hashable, T]:
    """Calls with a key. Who asks while one is under way gets the next one, which all share who ask until it begins.

    So nobody gets what was begun before he asked, and of a thousand who ask at once two calls come. One that hangs is
    not waited for: the next begins after `LONGEST`.
    """

    def __init__(self, make: Callable[[K], Awaitable[T]]) -> None:
        self._make = make
        self._calls: dict[K, _Call[T]] = {}

    async def __call__(self, key: K) -> T:
        """What the call gives, or raises."""
        call = self._calls.get(key)
        if call is None:
            return await self._run(key)
        if call.following is None or call.following.done():  # done: cancelled before it began
            call.following = asyncio.create_task(self._follow(key, call.over))
        return await asyncio.shield(call.following)

    async def _follow(self, key: K, before: asyncio.Future[None]) -> T:
        await asyncio.wait([before], timeout=LONGEST)  # who is cancelled does not cancel what he waits for
        return await self._run(key)

    async def _run(self, key: K) -> T:
        call = self._calls[key] = _Call(asyncio.get_running_loop().create_future())
        try:
            return await self._make(key)
        finally:
            call.over.set_result(None)
            if call.following is None:
                del self._calls[key]
