"""Expire and purge: what nobody lets out is given up in time, and one log's trouble keeps no other waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.deliveries import Delivery, EventKey, Line, New, Stage
from shared.domain.events.envelope import Event
from shared.domain.logs import Purged
from shared.errors import FormatError, TransientError
from shared.usecases.expire import Expire
from shared.usecases.purge import WORK, Purge
from tests.fakes import NOON, ClockFake, Death, DeliveryStoreFake
from tests.usecases.world import World, event_of, subscription

DAYS, HOUR = timedelta(days=30), timedelta(hours=1)
BEFORE = NOON
OLD, YOUNG = NOON - HOUR, NOON + HOUR
MADE = NOON - 2 * DAYS
EVENTS = [event_of(number, minutes=-100 + number) for number in range(20)]


class Held(World):
    """A backlog of which nothing is let out."""

    def __init__(self, status: str = "paused", *, deadly: int | None = None, after: bool = False) -> None:
        mine = replace(subscription(status=status), created_at=MADE)
        super().__init__(of=mine, events=[], deadly=deadly, after=after)

    def hold(
        self, event: Event, dispatched_at: datetime, line: Line = Line.HELD, *, subscribed_at: datetime = MADE
    ) -> Delivery:
        new = New(self.mine, event, dispatched_at, subscribed_at=subscribed_at)
        delivery = Delivery.held(new, dispatched_at, line)
        self.deliveries.rows[(self.mine, delivery.key)] = delivery, f"{event.id} {line}"
        return delivery

    async def expire(self, until: datetime | None = None) -> Purged:
        self.clock.now = NOON + DAYS
        expire = Expire(
            subscriptions=self.subscriptions, deliveries=self.deliveries, attempt=self.attempt, clock=self.clock
        )
        return await expire(BEFORE, until or self.clock() + HOUR)

    def outcome(self, events: Sequence[Event]) -> list[Stage]:
        return [self.stage(event) for event in events]


@pytest.mark.parametrize("status", ["paused", "suspended", "failing"])
async def test_what_was_held_for_too_long_is_a_dead_letter_though_nobody_lets_it_out(status: str) -> None:
    world = Held(status)
    for event in EVENTS[:3]:
        world.hold(event, OLD)
    assert await world.expire() == Purged(3, is_done=True)
    assert world.outcome(EVENTS[:3]) == [Stage.DEAD] * 3
    assert [letter.reason for letter in world.letters()] == ["held for EVENT_RETENTION_DAYS"] * 3
    assert await world.deliveries.line(world.mine, 9) == []
    assert await world.expire() == Purged(0, is_done=True)


async def test_an_active_backlog_is_left_to_those_who_let_it_out() -> None:
    world = Held("active")
    world.hold(EVENTS[0], OLD)
    assert (await world.expire(), world.stage(EVENTS[0])) == (Purged(0, is_done=True), Stage.HELD)


async def test_age_counts_from_when_it_was_put_in_whatever_the_events_times_and_the_line() -> None:
    world = Held()
    for number, event in enumerate(EVENTS):
        world.hold(event, (OLD, YOUNG)[number % 2], (Line.HELD, Line.REPLAYED)[number // 2 % 2])
    edge = event_of(30, minutes=-1)
    world.hold(edge, BEFORE)
    await world.expire()
    assert world.outcome([*EVENTS, edge]) == [Stage.DEAD, Stage.HELD] * 10 + [Stage.HELD]


async def test_a_dead_letter_that_is_put_back_is_held_as_long_as_any_other() -> None:
    world = Held()
    dead = world.hold(EVENTS[0], OLD).give_up(OLD, "HTTP 400")
    world.deliveries.rows[(world.mine, dead.key)] = dead.replay(YOUNG, MADE), "v"
    assert await world.expire() == Purged(0, is_done=True)
    assert world.outcome(EVENTS[:1]) == [Stage.HELD]


async def test_any_number_is_given_up() -> None:
    world = Held()
    events = [event_of(number, minutes=-1_000 + number) for number in range(250)]
    for event in events:
        world.hold(event, OLD)
    assert await world.expire() == Purged(250, is_done=True)
    assert len(world.letters()) == 250


async def test_what_belonged_to_one_of_the_same_id_is_forgotten_without_a_letter() -> None:
    world = Held()
    world.hold(EVENTS[0], OLD, subscribed_at=NOON - 3 * DAYS)
    assert await world.expire() == Purged(1, is_done=True)
    assert (world.deliveries.rows, world.letters()) == ({}, [])


@pytest.mark.parametrize("moment", ["before it is read", "before it is written"])
async def test_what_somebody_else_moves_meanwhile_is_theirs(moment: str) -> None:
    world = Held("failing")
    delivery = world.hold(EVENTS[0], OLD)
    claimed = delivery.attempt(NOON, NOON + DAYS + HOUR)

    def claim() -> None:
        world.deliveries.slowness = lambda: None
        world.deliveries.rows[(world.mine, delivery.key)] = claimed, "theirs"

    class Busy(DeliveryStoreFake):
        async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
            claim()
            return await super().get(subscription_id, key)

    if moment == "before it is read":
        busy = Busy()
        busy.rows, world.deliveries = world.deliveries.rows, busy
    else:
        world.deliveries.slowness = claim
    world.begin()
    assert await world.expire() == Purged(0, is_done=True)
    assert (world.stage(EVENTS[0]), world.letters()) == (Stage.ATTEMPTING, [])


async def test_it_stops_in_time_and_goes_on_the_next_time() -> None:
    world = Held()
    for event in EVENTS:
        world.hold(event, OLD)
    first = await world.expire(until=NOON + DAYS)
    assert (first.is_done, 0 < first.rows < len(EVENTS)) == (False, True)
    second = await world.expire()
    assert (second.is_done, first.rows + second.rows) == (True, len(EVENTS))


@pytest.mark.parametrize("after", [False, True])
async def test_a_death_at_any_step_leaves_one_letter_for_each(after: bool) -> None:  # noqa: FBT001 - a parameter
    for deadly in range(40):
        world = Held(deadly=deadly, after=after)
        for event in EVENTS[:3]:
            world.hold(event, OLD)
        has_died = False
        try:
            await world.expire()
        except Death:
            has_died = True
            await world.expire()
        assert world.outcome(EVENTS[:3]) == [Stage.DEAD] * 3
        assert sorted(letter.event_id or "" for letter in world.letters()) == sorted(e.id for e in EVENTS[:3])
        assert [delivery.line for delivery, _ in world.deliveries.rows.values()] == [None] * 3
        if not has_died:
            return
    raise AssertionError("it never came to an end")


async def test_one_backlog_that_cannot_be_read_keeps_no_other_waiting() -> None:
    world = Held()
    world.hold(EVENTS[0], OLD)
    for number in range(70):
        await world.subscriptions.put(subscription(id_=f"a{number}", status="paused"), None)
    page = world.deliveries.page

    class Unreadable(DeliveryStoreFake):
        async def page(self, subscription_id: str, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            if subscription_id.startswith("a"):
                raise FormatError("delivery", 2)
            return await page(subscription_id, *args, **kwargs)  # type: ignore[arg-type]

    store = Unreadable()
    store.rows = world.deliveries.rows
    world.deliveries = store
    with pytest.raises(ExceptionGroup) as raised:
        await world.expire()
    assert (len(raised.value.exceptions), world.stage(EVENTS[0])) == (70, Stage.DEAD)


class RetentionFake:
    """A log that takes a while for each thousand rows; `failure` is raised by every purge."""

    def __init__(self, clock: ClockFake, rows: int, failure: Exception | None = None) -> None:
        self.clock = clock
        self.rows = rows
        self.failure = failure
        self.asked: list[datetime] = []

    async def purge(self, before: datetime, until: datetime) -> Purged:
        self.asked.append(before)
        removed = 0
        if self.failure is not None:
            raise self.failure
        while self.rows:
            await asyncio.sleep(0)
            some = min(self.rows, 1_000)
            self.rows, removed = self.rows - some, removed + some
            self.clock.advance(timedelta(seconds=1))
            if self.clock() >= until:
                break
        return Purged(removed, is_done=not self.rows)


def purge(world: Held, *logs: RetentionFake) -> Purge:
    expire = Expire(
        subscriptions=world.subscriptions, deliveries=world.deliveries, attempt=world.attempt, clock=world.clock
    )
    return Purge(expire=expire, logs=logs, clock=world.clock, keep=DAYS)


async def test_a_run_removes_what_is_older_than_is_kept() -> None:
    world = Held()
    world.hold(EVENTS[0], OLD)
    world.clock.now = NOON + DAYS
    logs = [RetentionFake(world.clock, 3_000), RetentionFake(world.clock, 5)]
    await purge(world, *logs)()
    assert (world.stage(EVENTS[0]), [each.rows for each in logs]) == (Stage.DEAD, [0, 0])
    assert [each.asked for each in logs] == [[BEFORE], [BEFORE]]


async def test_a_run_ends_in_time_each_log_has_its_share_and_the_next_run_goes_on() -> None:
    world = Held()
    logs = [RetentionFake(world.clock, 400_000), RetentionFake(world.clock, 400_000)]
    run = purge(world, *logs)
    began = world.clock()
    await run()
    assert WORK - timedelta(seconds=5) < world.clock() - began <= WORK + timedelta(seconds=5)
    left = [each.rows for each in logs]
    assert all(rows < 300_000 for rows in left)
    await run()
    assert all(now < before for now, before in zip([each.rows for each in logs], left, strict=True))


async def test_one_logs_trouble_keeps_no_other_waiting_and_is_told() -> None:
    world = Held()
    trouble = TransientError("table deliveries answers 503")
    logs = [RetentionFake(world.clock, 1, trouble), RetentionFake(world.clock, 1)]
    with pytest.raises(ExceptionGroup) as raised:
        await purge(world, *logs)()
    assert (raised.value.exceptions, [each.rows for each in logs]) == ((trouble,), [1, 0])
