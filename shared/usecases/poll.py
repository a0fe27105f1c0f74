"""Poll: open a slot. Whose turn is it, who has left, and who does the work?

Where they are few, all instances are polled here and now, in every slot. More are shared out over the queue `polls`, in
shards that are worth something until the slot ends, and idle ones are left out of some slots.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched, chain

from shared.domain import cadence, ids
from shared.domain.cadence import LEEWAY, Rows, Ticks
from shared.domain.checkpoints import Family
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.resources import Instance
from shared.domain.slots import Shard, Slot, shards
from shared.errors import TimedOutError
from shared.ports.clock import Clock
from shared.ports.polling import Insights, PollStore
from shared.ports.queues import PollQueue
from shared.telemetry import POLL_WAIT, SILENCE, Telemetry
from shared.usecases.leave import Leave
from shared.usecases.poll_many import PollFailedError, PollMany
from shared.usecases.poll_outcomes import PollOutcomes
from shared.usecases.served import Served

# The data sources come first: what their `refreshState` tells, the nodes and jobs that are read after it show as well.
REFRESHES = (Family.DATA_SOURCES, Family.JOBS)
THRESHOLDS = (Family.SEGMENTS, Family.MEASURES)
ROUNDS = (REFRESHES, THRESHOLDS)

# A slot is no longer than this, however seldom the timer comes: the host ends a function after 10 minutes (host.json).
LONGEST = timedelta(minutes=5)
# So long before the next tick nothing is begun any more: a timer whose run is not over loses it.
PAUSE = timedelta(seconds=3)
# Listing the instances may take one part of so many of a slot: those that are known need the others.
LIST_SHARE = 3
# So many messages are sent at once.
SENDS_AT_ONCE = 16

log = logging.getLogger("bridge.poll")


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is served, as far as it could be found out, and how the polls of all went so far."""

    served: Sequence[Instance]
    rows: Rows
    failures: Sequence[Exception] = ()


class Poll:
    """Opens slots."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        insights: Insights,
        served: Served,
        polls: PollStore,
        poll_many: PollMany,
        queue: PollQueue,
        leave: Leave,
        outcomes: PollOutcomes,
        ticks: Mapping[Family, Ticks],
        inline_max: int,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._insights = insights
        self._served = served
        self._polls = polls
        self._poll_many = poll_many
        self._queue = queue
        self._leave = leave
        self._outcomes = outcomes
        self._ticks = ticks
        self._inline_max = inline_max
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, families: Sequence[Family]) -> None:
        """Have these families polled. Raises `PollFailedError` at the end when something could not be."""
        now, ticks = self._clock(), self._ticks[families[0]]
        next_tick = ticks(now + LEEWAY)
        slot = Slot(tuple(families), now, min(next_tick - min(PAUSE, (next_tick - now) / 10), now + LONGEST))
        roll = await self._roll(slot)
        self._measure(slot, roll)
        turn = cadence.in_turn(slot, roll.served, roll.rows)
        if len(turn) <= self._inline_max:
            work = self._poll_many(slot, turn)
        else:
            work = self._share_out(slot, cadence.due(slot, turn, roll.rows, ticks))
        found = await asyncio.gather(work, self._see_off(slot, roll))
        if failures := [*roll.failures, *chain(*found)]:
            raise PollFailedError(f"{len(failures)} failures while polling", failures)

    async def _roll(self, slot: Slot) -> Roll:
        rows, failures = await self._rows(), list[Exception]()
        try:
            async with asyncio.timeout((slot.ends_at - slot.opened_at).total_seconds() / LIST_SHARE):
                served = await self._served.all(self._insights.instances)
        except Exception as error:  # noqa: BLE001 - raised at the end: those that are known are polled all the same
            late = TimedOutError("Customer Insights did not list the instances in time")
            failures.append(late if isinstance(error, TimeoutError) else error)
            served = _remembered(rows)
        for family in slot.families:
            await self._outcomes.tell(Instance(EVERY_INSTANCE), family, failures)
        return Roll(served, rows, failures)

    async def _see_off(self, slot: Slot, roll: Roll) -> Sequence[Exception]:
        """See to those that have left, and to what is owed of any; gives what could not be done in the slot."""
        try:
            async with asyncio.timeout((slot.ends_at - slot.opened_at).total_seconds()):
                await self._outcomes.tell_left(polled for found in roll.rows.values() for polled in found.values())
                if roll.failures:  # nobody knows who has left
                    return []
                return await self._leave(slot, roll.served, roll.rows)
        except TimeoutError:
            return [TimedOutError("not all instances that have left could be seen to in time")]

    async def _rows(self) -> Rows:
        try:
            return cadence.by_instance([polled async for polled in self._polls.all()])
        except Exception:
            # Events go their way whether or not somebody can see how the polls went.
            log.exception("poll.unreported instance=%s", EVERY_INSTANCE)
            return {}

    def _measure(self, slot: Slot, roll: Roll) -> None:
        """Tell for how long the instance that waits longest was not polled."""
        known = [roll.rows[key] for one in roll.served if (key := ids.key(one.id)) in roll.rows]
        for family in slot.families:
            times = [rows[family].last_poll_at for rows in known if family in rows]
            wait = (slot.opened_at - min(times)).total_seconds() if times else 0.0
            self._telemetry.measure(POLL_WAIT, max(0.0, wait), family=family.value)

    async def _share_out(self, slot: Slot, instances: Sequence[Instance]) -> list[Exception]:
        """Send the shards; gives why some could not be sent."""
        failures: list[Exception] = []

        async def send(shard: Shard) -> None:
            try:
                await self._queue.send(shard)
            except Exception as error:  # noqa: BLE001 - raised at the end, when the others are sent
                failures.append(error)

        for some in batched(shards(slot, instances), SENDS_AT_ONCE, strict=False):
            await asyncio.gather(*map(send, some))
        return failures


def _remembered(rows: Rows) -> list[Instance]:
    """The instances that were served when they could last be listed."""
    latest = (
        max(found.values(), key=lambda it: it.last_poll_at) for key, found in rows.items() if key != EVERY_INSTANCE
    )
    return [Instance(polled.instance_id, polled.name) for polled in latest if polled.left_at is None]
