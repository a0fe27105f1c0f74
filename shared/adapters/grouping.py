"""Grouping: writes to one partition that are asked for while another is under way are made together, in the next one.

Of a thousand that are asked for at once a few dozen are made; who asks alone waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from shared.adapters.tables import MAX_BATCH


@dataclass(slots=True)
class _Group[T]:
    """What is written together, by row key, and the write."""

    items: dict[str, T] = field(default_factory=dict)
    written: asyncio.Task[None] | None = None


class Grouped[T]:
    """Writes items of partitions, of each no more at a time than a transaction holds, and one write after the other.

    `write` gets a partition and its items by their row keys; of one row that is asked for twice, it gets the latter.
    """

    def __init__(self, write: Callable[[str, Mapping[str, T]], Awaitable[None]]) -> None:
        self._write = write
        # By partition: the group that others may join, and the one that was begun last.
        self._open: dict[str, _Group[T]] = {}
        self._last: dict[str, _Group[T]] = {}

    async def __call__(self, partition: str, row: str, item: T) -> None:
        """Write an item. Raises what the write of its group raises."""
        group = self._open.get(partition)
        if group is None or len(group.items) == MAX_BATCH:
            group, before = _Group[T](), self._last.get(partition)
            after = before.written if before is not None else None
            group.written = asyncio.create_task(self._run(partition, group, after))
            self._open[partition] = self._last[partition] = group
        group.items[row] = item
        assert group.written is not None  # noqa: S101 - since it was made
        await asyncio.shield(group.written)

    async def _run(self, partition: str, group: _Group[T], after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        if self._open.get(partition) is group:
            del self._open[partition]
        try:
            await self._write(partition, group.items)
        finally:
            if self._last.get(partition) is group:
                del self._last[partition]
