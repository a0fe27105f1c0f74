"""Purge: let the logs forget what is older than they are to be kept."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from shared.ports import Clock, Retention

log = logging.getLogger("bridge.purge")


class Purge:
    """Removes old rows from logs."""

    def __init__(self, *, logs: Sequence[Retention], clock: Clock, keep: timedelta) -> None:
        self._logs = logs
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> None:
        """Remove what is older than is kept."""
        before = self._clock() - self._keep
        rows = 0
        for one in self._logs:
            rows += await one.purge(before)
        log.info("logs.purged rows=%d before=%s", rows, before.isoformat())
