"""Release: let out a subscription's backlog, the oldest event first and no faster than its flow may be called.

One run at a time works for a subscription: it takes a lease, lets out for some seconds, and hands over to the next. A
failing subscription's backlog is not let out: its oldest delivery is tried now and then, until one succeeds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from shared.domain.deliveries import EventKey, Stage
from shared.domain.messages import Release as Asked
from shared.domain.subscriptions import Subscription
from shared.errors import LostRaceError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.agenda import Agenda
from shared.usecases.attempt import Attempt, Stored
from shared.usecases.backlog import LOST_AFTER, Backlog, is_leased
from shared.usecases.bury import Bury
from shared.usecases.change import change
from shared.usecases.gate import INSTANCES, MAX_UNDER_WAY, WINDOW, share

# How long one run lets out before it hands over.
WORK = timedelta(seconds=20)
# Where all that waits is being attempted by others, look again after this.
PAUSE = timedelta(seconds=5)
# So much of the permitted rate is used: a clock is not exact, and people send by hand.
PART_OF_RATE = 0.97

# The most that are read at a time.
MAX_PAGE = 100
OPEN = {"active", "failing"}
HELD_TOO_LONG = "held for EVENT_RETENTION_DAYS"


@dataclass(slots=True)
class Pace:
    """When the next delivery may begin, in seconds of any clock that only goes forward.

    The first waits, too: the run before may have begun one just now; `was_spent` says that it has begun many.
    """

    per_second: int
    is_careful: bool
    was_spent: bool = False
    began: float | None = None
    last: float = 0.0
    count: int = 0

    def wait(self, now: float) -> float:
        """How long the next delivery has to wait, in seconds; it counts as begun then."""
        self.began = now if self.began is None else self.began
        rate = self.per_second * PART_OF_RATE
        if self.is_careful and now < self.began + WINDOW:
            # Each instance may have sent its share just before.
            rate = max(rate / INSTANCES, rate - INSTANCES * share(self.per_second) / WINDOW)
        at = max(now, self.last + 1 / rate) if self.count else now + 1 / rate
        self.last, self.count = at, self.count + 1
        return at - now

    @property
    def is_spent(self) -> bool:
        """Whether so many have begun that no instance may send its own share beside them at once."""
        return self.was_spent or self.count > share(self.per_second)


@dataclass(slots=True)
class _Run:
    """One run for a subscription: what is under way, and whether it is over.

    `is_stopped` says that an attempt has shown the subscription to be no longer active, `next_at` when to look again,
    and `is_handed_on` that the next run begins where this one ends.
    """

    pace: Pace
    until: datetime
    under_way: dict[EventKey, asyncio.Task[None]] = field(default_factory=dict)
    is_stopped: bool = False
    is_over: bool = False
    is_handed_on: bool = False
    next_at: datetime | None = None

    def end(self, next_at: datetime | None = None, *, is_handed_on: bool = False) -> None:
        self.is_over, self.next_at, self.is_handed_on = True, next_at, is_handed_on

    async def wait(self, most: int = 0) -> None:
        """Wait until no more than so many attempts are under way. Raises what one of them has raised."""
        while len(self.under_way) > most:
            done, _ = await asyncio.wait(self.under_way.values(), return_when=asyncio.FIRST_COMPLETED)
            self.under_way = {key: task for key, task in self.under_way.items() if task not in done}
            for task in done:
                task.result()


class Release:
    """Lets backlogs out; `per_second` is the permitted rate of one flow."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        agenda: Agenda,
        attempt: Attempt,
        backlog: Backlog,
        bury: Bury,
        clock: Clock,
        per_second: int,
        keep: timedelta,
        lease: timedelta,
        sleep: Callable[[float], Awaitable[None]],
        seconds: Callable[[], float],
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._agenda = agenda
        self._attempt = attempt
        self._backlog = backlog
        self._bury = bury
        self._clock = clock
        self._per_second = per_second
        self._keep = keep
        self._lease = lease
        self._sleep = sleep
        self._seconds = seconds

    async def __call__(self, message: str) -> None:
        """Do what a message of the queue `releases` asks for; an unreadable one becomes a dead letter."""
        try:
            asked = Asked.decode(message)
        except ValueError as error:
            await self._bury.message("releases", message, f"unreadable: {error}")
            return
        found = await self._subscriptions.get(asked.subscription_id)
        if found is not None and found[0].status not in OPEN:
            await self._hold_again(asked.subscription_id)
        if found is not None and found[0].leased_until == asked.at > self._clock():  # by another clock, it has ended
            await self._agenda.look(asked, asked.at)
            return
        if found is None or not self._is_meant(asked, found[0]):
            return
        until = self._clock() + self._lease
        mine = Asked(asked.subscription_id, until)
        await self._agenda.insure(mine, until)
        taken: Subscription | None = None

        def leased(it: Subscription) -> Subscription | None:
            nonlocal taken
            taken = replace(it, release_at=until, leased_until=until) if self._is_meant(asked, it) else None
            return taken

        stands = await change(self._subscriptions, asked.subscription_id, leased)
        is_mine = stands is taken is not None
        if is_mine:
            try:
                run = await self._work(asked)
            except Exception:  # the message comes again, and is to find the lease free
                await self._give_back(asked.subscription_id, until, asked.at)
                raise
            await self._hand_over(asked.subscription_id, until, run)
        if is_mine or stands is None or stands.leased_until != until:  # else whoever was quicker has insured the same
            await self._agenda.waive(mine, until)

    def _is_meant(self, asked: Asked, subscription: Subscription) -> bool:
        """Whether to work on it now: of many messages, only the one counts that is expected, or is overdue."""
        now = self._clock()
        if subscription.status not in OPEN or is_leased(subscription, now):
            return False
        at = subscription.release_at
        # What insured a lease finds it where nobody has given it back.
        return at is None or asked.at in {at, subscription.leased_until} or at + LOST_AFTER < now

    async def _work(self, asked: Asked) -> _Run:
        run = _Run(Pace(self._per_second, asked.is_careful, asked.is_spent), self._clock() + WORK)
        try:
            while not run.is_over:
                await self._step(asked.subscription_id, run)
        finally:
            await asyncio.gather(*run.under_way.values(), return_exceptions=True)
        await run.wait()
        return run

    async def _step(self, subscription_id: str, run: _Run) -> None:
        if run.is_stopped:
            await run.wait()
            run.is_stopped = False
        found = await self._subscriptions.get(subscription_id)
        if found is None or found[0].status not in OPEN:
            run.end()
        elif self._clock() >= run.until:
            run.end(self._clock(), is_handed_on=True)
        elif found[0].status == "failing":
            await run.wait()
            await self._probe(found[0], run)
        else:
            await self._page(found[0], run)

    async def _page(self, subscription: Subscription, run: _Run) -> None:
        """Let out some of the oldest: about a second's worth, so that a pause comes into force soon."""
        size = max(MAX_UNDER_WAY, min(self._per_second, MAX_PAGE))
        line = await self._deliveries.line(subscription.id, size + MAX_UNDER_WAY)
        keys = [key for key in line if key not in run.under_way][:size]
        if not keys and not run.under_way:
            run.end(self._clock() + timedelta(seconds=WINDOW) if run.pace.is_spent else None)
            return
        begun = 0
        for key in keys:
            await run.wait(MAX_UNDER_WAY - 1)
            if run.is_stopped:
                return
            begun += await self._let_out(subscription, key, run)
        if begun:
            return
        if run.under_way:
            await run.wait(len(run.under_way) - 1)
        else:
            run.end(self._clock() + PAUSE)

    async def _let_out(self, subscription: Subscription, key: EventKey, run: _Run) -> bool:
        """Begin to attempt one of the line, if it may be; whether it did, or has taken it out of the line."""
        stored = await self._ready(subscription, key)
        if not isinstance(stored, Stored):
            return stored
        await self._sleep(run.pace.wait(self._seconds()))
        try:
            claimed = await self._attempt.claim(partial(stored.delivery.attempt, is_let_out=True), stored)
        except LostRaceError:
            return False

        async def attempt() -> None:
            if await self._attempt(claimed, subscription) != "active":
                run.is_stopped = True

        run.under_way[key] = asyncio.create_task(attempt())
        return True

    async def _probe(self, subscription: Subscription, run: _Run) -> None:
        """Try a failing subscription with its oldest delivery, if that is due."""
        line = await self._deliveries.line(subscription.id, 1)
        if not line:  # the next event is the probe
            run.end()
            return
        stored = await self._ready(subscription, line[0])
        if not isinstance(stored, Stored):
            if not stored:
                run.end(self._clock() + PAUSE)
            return
        delivery, now = stored.delivery, self._clock()
        if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
            run.end(delivery.next_attempt_at)
        elif delivery.is_too_old(now, self._attempt.policy):
            await self._attempt.give_up(stored, subscription)
        else:
            await self._sleep(run.pace.wait(self._seconds()))
            await self._attempt(await self._attempt.claim(delivery.attempt, stored), subscription, is_probe=True)

    async def _ready(self, subscription: Subscription, key: EventKey) -> Stored | bool:
        """One of the line that may be attempted; else whether it has been taken out of the line."""
        found = await self._deliveries.get(subscription.id, key)
        if found is None or found[0].line is None:  # somebody has sent it by hand since the line was read
            return False
        stored, now = Stored(*found), self._clock()
        delivery = stored.delivery
        if delivery.is_claimed(now):
            return False
        if not delivery.is_for(subscription.created_at):
            await self._deliveries.remove(delivery, stored.version)
        elif delivery.stage is Stage.DEAD:
            await self._attempt.bury_again(stored)
        elif now > delivery.patient_since + self._keep:
            await self._attempt.conclude(delivery.give_up(now, HELD_TOO_LONG), stored)
        else:
            return stored
        return True

    async def _hold_again(self, subscription_id: str) -> None:
        """Hold what a run that died was letting out: a person's request alone goes on while nothing is let out."""
        for key in await self._deliveries.line(subscription_id, MAX_UNDER_WAY):
            found, now = await self._deliveries.get(subscription_id, key), self._clock()
            if found is None or found[0].stage is not Stage.ATTEMPTING:
                continue
            if not found[0].is_claimed(now) and not found[0].is_by_hand:
                with suppress(LostRaceError):
                    await self._deliveries.put(found[0].hold(now), found[1], found[0])

    async def _hand_over(self, subscription_id: str, until: datetime, run: _Run) -> None:
        """Give the lease back, and see to it that whoever is to look next does."""
        following: Asked | None = None
        if run.next_at is not None:
            following = Asked(subscription_id, run.next_at, is_spent=run.is_handed_on and run.pace.is_spent)
            await self._agenda.insure(following, following.at + LOST_AFTER)
        await self._give_back(subscription_id, until, run.next_at)
        if following is not None:  # after that: whoever finds the lease taken leaves, and his message is gone
            await self._agenda.look(following, following.at)
            await self._agenda.waive(following, following.at + LOST_AFTER)
        # Whoever put something in meanwhile has relied on this run.
        if following is None and await self._deliveries.line(subscription_id, 1):
            await self._backlog.start(subscription_id)

    async def _give_back(self, subscription_id: str, until: datetime, next_at: datetime | None) -> None:
        """Give the lease back that ends then, unless somebody else has it now."""

        def given(it: Subscription) -> Subscription | None:
            return replace(it, release_at=next_at, leased_until=None) if it.leased_until == until else None

        await change(self._subscriptions, subscription_id, given)
