"""Agenda: see to it that something is looked at again, now or at a time.

A queue holds only what is due soon: Azure starts instances by a queue's length, and counts what does not show yet. The
rest stands in a table until a timer moves it into its queue.
"""

from datetime import datetime, timedelta

from shared.domain.deliveries import New
from shared.domain.messages import Look, Release
from shared.ports.clock import Clock
from shared.ports.deliveries import DueStore
from shared.ports.queues import DeliveryQueue, ReleaseQueue

# What is due later than this stands in the table.
SOON = timedelta(minutes=2)
# A timer looks into the table so often.
EVERY = timedelta(minutes=1)


class Agenda:
    """Arranges looks at deliveries and at backlogs."""

    def __init__(self, *, deliveries: DeliveryQueue, releases: ReleaseQueue, due: DueStore, clock: Clock) -> None:
        self._deliveries = deliveries
        self._releases = releases
        self._due = due
        self._clock = clock

    async def begin(self, new: New) -> None:
        """Have a new delivery made. Raises `TooLargeError` when no message holds its event."""
        await self._deliveries.send(new)

    async def look(self, what: Look | Release, at: datetime) -> None:
        """Have a delivery or a backlog looked at, at a time; one in the past is now."""
        wait = max(timedelta(0), at - self._clock())
        if wait > SOON:
            await self._due.add(at, what)
        else:
            await self._send(what, wait)

    async def insure(self, release: Release, at: datetime) -> None:
        """Have a backlog looked at, also if its message is lost with the instance that holds it."""
        await self._due.add(at, release)

    async def waive(self, release: Release, at: datetime) -> None:
        """Forget what was insured."""
        await self._due.remove(at, release)

    async def advance(self) -> int:
        """Move what is due before the timer looks again into the queues; gives how many."""
        moved = 0
        async for at, what in self._due.until(self._clock() + EVERY):
            await self._send(what, max(timedelta(0), at - self._clock()))
            await self._due.remove(at, what)
            moved += 1
        return moved

    async def _send(self, what: Look | Release, wait: timedelta) -> None:
        if isinstance(what, Release):
            await self._releases.send(what, wait)
        else:
            await self._deliveries.send(what, wait)
