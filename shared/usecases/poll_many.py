"""Poll many: the instances of a slot side by side, so that none that hangs holds up another.

A worker polls so many at once, whatever slots and shards ask for it. One that took long the last time has to share few
lanes with its like. When the API takes no more calls, what is left waits for the next slot, which begins with it.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from itertools import batched

from shared.domain import ids
from shared.domain.resources import Instance
from shared.domain.slots import Slot
from shared.errors import TimedOutError
from shared.ports.clock import Clock
from shared.ports.polling import Budget
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_outcomes import PollOutcomes

AT_ONCE = 20
SLOW_AT_ONCE = 4
# An instance that takes longer is slow.
SLOW = timedelta(seconds=10)
# The longest that one instance may take: its calls' own limits end them before, unless there are many. One that is
# known to be slow has to end with its slot, or in so long, so that the timer misses no tick.
DEADLINE, SLOW_DEADLINE = timedelta(seconds=90), timedelta(seconds=30)
# Azure Monitor cuts a line at 32,768 characters; an id has 36.
INSTANCES_PER_LINE = 500

log = logging.getLogger("bridge.poll")


class PollFailedError(ExceptionGroup[Exception]):
    """Some families of some instances could not be polled; the others were."""


class PollMany:
    """Polls instances for a slot; one for all slots of a worker."""

    def __init__(
        self,
        *,
        poll_instance: PollInstance,
        outcomes: PollOutcomes,
        budget: Budget,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._poll_instance = poll_instance
        self._outcomes = outcomes
        self._budget = budget
        self._clock = clock
        self._telemetry = telemetry
        self._lanes = asyncio.Semaphore(AT_ONCE)
        self._slow_lanes = asyncio.Semaphore(SLOW_AT_ONCE)
        self._door = asyncio.Lock()
        self._slow: set[str] = set()

    async def __call__(self, slot: Slot, instances: Sequence[Instance]) -> list[Exception]:
        """Poll the slot's families of the instances, in their order; gives what could not be done.

        What could not be begun before the slot ended is left to the next, and is no failure.
        """
        done: list[str] = []
        failures: list[Exception] = []

        async def poll(instance: Instance) -> None:
            found = await self._in_lane(slot, instance)
            if found:
                failures.extend(found)
            elif found is not None:
                done.append(instance.id)

        await asyncio.gather(*(poll(instance) for instance in instances))
        self._tell_successes(slot, done)
        return failures

    async def _in_lane(self, slot: Slot, instance: Instance) -> Sequence[Exception] | None:
        """What could not be done of an instance; None: it was not begun."""
        key = ids.key(instance.id)
        was_slow = key in self._slow
        async with self._slow_lanes if was_slow else self._lanes:
            if not await self._has_room(slot):
                return None
            began = self._clock()
            limit = max(SLOW_DEADLINE, min(DEADLINE, slot.ends_at - began)) if was_slow else DEADLINE
            try:
                return await self._within(limit, slot, instance)
            finally:
                self._budget.end()
                is_slow = self._clock() - began > SLOW
                (self._slow.add if is_slow else self._slow.discard)(key)

    async def _has_room(self, slot: Slot) -> bool:
        """Wait until the API takes the calls of one more poll; whether it does before the slot ends."""
        if (left := (slot.ends_at - self._clock()).total_seconds()) <= 0:
            return False
        try:
            # One waits at the door, the others behind it: who comes later does not find the room that has just opened.
            async with asyncio.timeout(left), self._door:
                while wait := self._budget.begin():  # noqa: ASYNC110 - it is the API that has room again
                    await asyncio.sleep(wait)
        except TimeoutError:
            return False
        return True

    async def _within(self, limit: timedelta, slot: Slot, instance: Instance) -> Sequence[Exception]:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                return await self._poll_instance(instance, slot.families)
        except TimeoutError:
            late = TimedOutError(f"instance {instance.id} was not polled within {limit.total_seconds():.0f} seconds")
            for family in slot.families:
                await self._outcomes.tell(instance, family, [late])
            return [late]

    def _tell_successes(self, slot: Slot, instance_ids: Sequence[str]) -> None:
        """Say which instances were polled with success: at every tick, so in few lines, and where anybody listens."""
        if self._telemetry.is_on:
            for some in batched(instance_ids, INSTANCES_PER_LINE, strict=False):
                log.info("poll.succeeded families=%s instances=%s", ",".join(slot.families), ",".join(some))
