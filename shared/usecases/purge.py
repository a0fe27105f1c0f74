"""Purge: give up what has been held for too long, and let the logs forget what is older than they are to be kept."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from shared.domain.logs import Purged
from shared.ports.clock import Clock
from shared.ports.logs import Retention
from shared.usecases.expire import Expire

# One run takes no longer than this; where that was not all, the next goes on.
WORK = timedelta(minutes=4)

type Step = Callable[[datetime, datetime], Awaitable[Purged]]

log = logging.getLogger("bridge.purge")


class Purge:
    """Removes old rows from logs."""

    def __init__(self, *, expire: Expire, logs: Sequence[Retention], clock: Clock, keep: timedelta) -> None:
        self._expire = expire
        self._logs = logs
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> None:
        """Remove what is older than is kept.

        Each log has its share of the time, and one's trouble keeps no other waiting: raises all of it, as a group, at
        the end.
        """
        began = self._clock()
        before, end = began - self._keep, began + WORK
        steps: Sequence[Step] = (self._expire, *(each.purge for each in self._logs))
        done, troubles = list[Purged](), list[Exception]()
        for number, step in enumerate(steps):
            now = self._clock()
            try:
                done.append(await step(before, now + (end - now) / (len(steps) - number)))
            except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
                troubles.append(error)
        is_done = not troubles and all(each.is_done for each in done)
        log.info("logs.purged rows=%d done=%s before=%s", sum(each.rows for each in done), is_done, before.isoformat())
        if troubles:
            raise ExceptionGroup("what is old could not be removed", troubles)
