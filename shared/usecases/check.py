"""Check: whether the bridge is usable. Anybody may ask, at any rate; it costs one check every few seconds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared.errors import BridgeError
from shared.ports.clock import Clock

# How old an answer may be: short beside the minutes after which somebody is told, long beside a burst of requests.
FRESH_FOR = timedelta(seconds=5)

log = logging.getLogger("bridge.health")


class Check:
    """Answers from the last check, or from the one that is under way; `check` raises what is wrong, in its own time."""

    def __init__(self, check: Callable[[], Awaitable[None]], *, clock: Clock) -> None:
        self._check = check
        self._clock = clock
        self._under_way: asyncio.Task[bool] | None = None
        self._last: tuple[datetime, bool] | None = None
        self._told: set[str] = set()

    async def __call__(self) -> bool:
        """Whether all is well. The log says what is not: once, and when it is well again."""
        if self._last is not None:
            checked_at, is_well = self._last
            if timedelta(0) <= self._clock() - checked_at < FRESH_FOR:
                return is_well
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._look())
        # A caller who leaves takes nobody's answer along.
        return await asyncio.shield(self._under_way)

    async def _look(self) -> bool:
        try:
            await self._check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the bridge is not usable, and the log says why
            self._tell(error)
            is_well = False
        else:
            self._tell_recovery()
            is_well = True
        finally:
            self._under_way = None
        self._last = (self._clock(), is_well)
        return is_well

    def _tell(self, error: Exception) -> None:
        # The bridge's own errors have fixed words; those of others may be new each time.
        what = str(error) if isinstance(error, BridgeError) else type(error).__name__
        if what not in self._told:
            self._told.add(what)
            log.error("health.failed reason=%s", what, exc_info=error)

    def _tell_recovery(self) -> None:
        if self._told:
            self._told.clear()
            log.info("health.recovered")
