"""Calls that many ask for at once, made once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Calls[T]:
    """The call that is under way for a key, and the one that follows it."""

    running: asyncio.Task[T]
    following: asyncio.Task[T] | None = None


class SharedCalls[T]:
    """Calls with a key. Who asks while one is under way gets the next one, which all share who ask until it begins.

    So nobody gets what was begun before he asked, and of a thousand who ask at once two calls come.
    """

    def __init__(self, make: Callable[[str], Awaitable[T]]) -> None:
        self._make = make
        self._calls: dict[str, _Calls[T]] = {}

    async def __call__(self, key: str) -> T:
        """What the call gives, or raises."""
        calls = self._calls.get(key)
        if calls is None:
            calls = self._calls[key] = _Calls(asyncio.create_task(self._run(key, None)))
            return await asyncio.shield(calls.running)
        if calls.following is None:
            calls.following = asyncio.create_task(self._run(key, calls.running))
        return await asyncio.shield(calls.following)

    async def _run(self, key: str, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
            calls = self._calls[key]
            assert calls.following is not None  # noqa: S101 - it is this one
            calls.running, calls.following = calls.following, None
        try:
            return await self._make(key)
        finally:
            if self._calls[key].following is None:
                del self._calls[key]
