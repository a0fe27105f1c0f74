"""Poll message: do what a message of the queue `polls` asks for, which is to poll a shard, or to beat.

A shard is worth something until its slot ends: an app that stood still does not make up for the polls of an hour. One
that comes again polls what was not polled in its slot yet.
"""

import asyncio
import logging

from shared.domain.messages import Beat, decode_poll
from shared.domain.resources import Instance
from shared.domain.slots import Shard, Slot
from shared.errors import FormatError
from shared.ports.clock import Clock
from shared.ports.polling import PollStore
from shared.usecases.bury import Bury
from shared.usecases.poll_many import PollFailedError, PollMany
from shared.usecases.poll_report import PollReport
from shared.usecases.timers import Timers

log = logging.getLogger("bridge.poll")


class PollMessage:
    """Works on messages of the queue `polls`."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        polls: PollStore,
        poll_many: PollMany,
        report: PollReport,
        timers: Timers,
        bury: Bury,
        clock: Clock,
    ) -> None:
        self._polls = polls
        self._poll_many = poll_many
        self._report = report
        self._timers = timers
        self._bury = bury
        self._clock = clock

    async def __call__(self, text: str) -> None:
        """Work on a message. Raises `PollFailedError` at the end when something could not be polled."""
        try:
            message = decode_poll(text)
        except FormatError:
            raise
        except ValueError as error:
            await self._bury.message("polls", text, f"unreadable: {error}")
            return
        if isinstance(message, Beat):
            await self._timers.beat(message)
        else:
            await self._poll(message)

    async def _poll(self, shard: Shard) -> None:
        slot = shard.slot
        if self._clock() >= slot.ends_at:
            log.info("poll.expired families=%s instances=%d", ",".join(slot.families), len(shard.instances))
            return
        found = await asyncio.gather(*(self._is_left(slot, instance) for instance in shard.instances))
        left = [instance for instance, is_left in zip(shard.instances, found, strict=True) if is_left]
        if failures := await self._poll_many(slot, left):
            raise PollFailedError(f"{len(failures)} failures while polling", failures)

    async def _is_left(self, slot: Slot, instance: Instance) -> bool:
        """Whether an instance was not polled in this slot yet; what is known of it is what other workers have seen.

        A poll in the future is none of this slot: the clock of whoever wrote it down goes, or went, wrong.
        """
        now = self._clock()
        rows = await asyncio.gather(*(self._polls.get(instance.id, family) for family in slot.families))
        for found in rows:
            if found is not None:
                self._report.recall(*found)
        return not all(found is not None and slot.opened_at <= found[0].last_poll_at <= now for found in rows)
