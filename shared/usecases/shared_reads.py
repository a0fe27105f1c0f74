"""Reads that many ask for at once, made once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Reads[T]:
    """The read that is under way for a key, and the one that follows it."""

    running: asyncio.Task[T]
    following: asyncio.Task[T] | None = None


class SharedReads[T]:
    """Reads by a key. Who asks while a read is under way gets the next one, which all share who ask until it begins.

    So nobody gets what was read before he asked, and of a thousand who ask at once two reads come.
    """

    def __init__(self, read: Callable[[str], Awaitable[T]]) -> None:
        self._read = read
        self._reads: dict[str, _Reads[T]] = {}

    async def __call__(self, key: str) -> T:
        """What the read gives, or raises."""
        reads = self._reads.get(key)
        if reads is None:
            reads = self._reads[key] = _Reads(asyncio.create_task(self._run(key, None)))
            return await asyncio.shield(reads.running)
        if reads.following is None:
            reads.following = asyncio.create_task(self._run(key, reads.running))
        return await asyncio.shield(reads.following)

    async def _run(self, key: str, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
            reads = self._reads[key]
            assert reads.following is not None  # noqa: S101 - it is this one
            reads.running, reads.following = reads.following, None
        try:
            return await self._read(key)
        finally:
            if self._reads[key].following is None:
                del self._reads[key]
