"""Timers: open a slot at each tick, and see to it that slots are opened when the ticks stop.

After a deployment Azure's timers may stop for good while all else goes on. So a message goes round in the queue
`polls`, the heartbeat: each time it shows, it looks when the timers ran, opens the slots of those that have missed two
ticks, and sends itself on. The first run of a timer puts things back as they were.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.cadence import LEEWAY, Ticks
from shared.domain.checkpoints import Family
from shared.domain.messages import Beat
from shared.domain.timers import HEARTBEAT, Ticked, standing_in
from shared.ports.clock import Clock
from shared.ports.polling import TimerStore
from shared.ports.queues import PollQueue
from shared.telemetry import SILENCE, SLOTS, Telemetry
from shared.usecases.poll import ROUNDS, Poll
from shared.usecases.poll_many import PollFailedError

# However seldom the timers tick, it is looked so often whether they do; and no more often than is worth a message.
LONGEST, SHORTEST = timedelta(hours=1), timedelta(seconds=10)
# It is looked so long after a tick, so that a timer which runs has said so.
LATE = timedelta(seconds=5)
# While the timers run, it is looked once in so many of their intervals: each look keeps an instance of the app awake.
RARELY = 2
# A heartbeat that has missed so many of its own beats is dead.
DEAD = 3

log = logging.getLogger("bridge.poll")


class Timers:
    """Runs for timers and for the heartbeat."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        poll: Poll,
        timers: TimerStore,
        queue: PollQueue,
        ticks: Mapping[Family, Ticks],
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._poll = poll
        self._timers = timers
        self._queue = queue
        self._ticks = ticks
        self._clock = clock
        self._telemetry = telemetry

    async def tick(self, families: Sequence[Family]) -> None:
        """Run a timer. Raises what `Poll` raises."""
        try:
            await self._note(families)
        except Exception:
            # Events go their way whether or not somebody would notice that the timers stop.
            log.exception("heartbeat.failed")
        await self._open(families, "timer")

    async def beat(self, beat: Beat) -> None:
        """Look after the timers. Raises `PollFailedError` when a slot was opened and something could not be polled."""
        found = {ticked.name: ticked for ticked in await self._timers.all()}
        mine = found.get(HEARTBEAT)
        if mine is None or mine.token != beat.token:
            return  # another goes round
        timers = [(families, found[families[0]]) for families in ROUNDS if families[0] in found]
        stopped = [(families, timer) for families, timer in timers if self._has_stopped(families, timer)]
        await self._renew(1 if stopped else RARELY)
        failures: list[Exception] = []
        for families, timer in stopped:
            if self._is_due(families, timer, found.get(standing_in(timer.name))):
                log.warning("timer.missed families=%s since=%s", ",".join(families), timer.at.isoformat())
                await self._timers.put(Ticked(standing_in(timer.name), self._clock()))
                try:
                    await self._open(families, "heartbeat")
                except PollFailedError as error:
                    failures += error.exceptions
        if failures:
            raise PollFailedError(f"{len(failures)} failures while polling", failures)

    async def _open(self, families: Sequence[Family], opener: str) -> None:
        now, ticks = self._clock(), self._ticks[families[0]]
        # Somebody is told when none was begun for so long, and the schedule is known here alone.
        third = ticks(ticks(ticks(now + LEEWAY)))
        self._telemetry.measure(SLOTS, (third - now).total_seconds(), families=",".join(families), opener=opener)
        await self._poll(families)

    def _has_stopped(self, families: Sequence[Family], timer: Ticked) -> bool:
        """Whether a timer has missed two ticks."""
        ticks = self._ticks[families[0]]
        return ticks(ticks(timer.at + LEEWAY)) < self._clock()

    def _is_due(self, families: Sequence[Family], timer: Ticked, stood_in: Ticked | None) -> bool:
        """Whether it is time for a slot of a timer's that has stopped."""
        latest = max(timer.at, stood_in.at) if stood_in is not None else timer.at
        return self._ticks[families[0]](latest + LEEWAY) <= self._clock() + LEEWAY

    async def _note(self, families: Sequence[Family]) -> None:
        """Write down that a timer runs, and start a heartbeat where there is none."""
        now = self._clock()
        beats = [ticked for ticked in await self._timers.all() if ticked.name == HEARTBEAT]
        await self._timers.put(Ticked(families[0].value, now))
        if not any(beat.at > now - DEAD * self._gap(now, RARELY) for beat in beats):
            await self._renew(RARELY)

    async def _renew(self, intervals: int) -> None:
        """Send the heartbeat on. Whatever message went round before is one too many from now on."""
        now, token = self._clock(), secrets.token_hex(8)
        await self._queue.send(Beat(token), self._gap(now, intervals))
        await self._timers.put(Ticked(HEARTBEAT, now, token=token))

    def _gap(self, now: datetime, intervals: int) -> timedelta:
        """How long to wait for the next look: until so many ticks of the timer that ticks most often.

        A slot lasts until the next tick: one that is opened just before it would be worth nothing.
        """
        often = min((self._ticks[families[0]] for families in ROUNDS), key=lambda ticks: ticks(ticks(now)) - ticks(now))
        at = often(now + LEEWAY)
        late = min(LATE, (often(at) - at) / 10)
        for _ in range(intervals - 1):
            at = often(at)
        return max(SHORTEST, min(at + late - now, LONGEST))
