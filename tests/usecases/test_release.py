"""Backlog and release: what is held goes out in order, at the rate, once, and is never left behind."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, Line, New, Stage
from shared.domain.logs import ALWAYS
from shared.domain.messages import Release
from shared.errors import TransientError
from shared.usecases.change import change
from shared.usecases.gate import INSTANCES, MAX_UNDER_WAY, WINDOW, share
from shared.usecases.release import Pace
from shared.usecases.replay import Wanted
from tests.fakes import NOON, Death
from tests.usecases.world import URL, World, event_of, subscription

EVENTS = [event_of(number) for number in range(12)]
LATER = timedelta(minutes=10)


def called_with(world: World) -> list[str]:
    return [headers["webhook-id"] for _, _, headers in world.callbacks.requests]


async def resume(world: World) -> None:
    await world.backlog.open(world.mine, lambda it: replace(it, status="active", status_reason=None))


async def resumed() -> World:
    """All events were held, and are about to be let out."""
    world = World(of=subscription(status="paused"), events=EVENTS)
    await world.run()
    await resume(world)
    return world


def in_any_window(times: list[float], seconds: float = WINDOW) -> int:
    """The most calls in any time of that length."""
    return max(sum(1 for at in times if start <= at < start + seconds) for start in times)


@pytest.mark.parametrize("status", ["paused", "suspended"])
async def test_what_is_held_goes_out_in_the_order_of_its_events_when_it_is_resumed(status: str) -> None:
    world = World(of=subscription(status=status), events=EVENTS[::-1])
    await world.run()
    assert (world.calls(), set(world.stages())) == (0, {Stage.HELD})
    await resume(world)
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS]
    assert (set(world.stages()), world.status(), world.is_quiet()) == ({Stage.DELIVERED}, "active", True)


async def test_an_event_that_comes_while_others_are_let_out_stands_behind_them() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:6], rate=2)
    await world.run()
    await resume(world)
    await world.run(until=timedelta(seconds=1))
    world.dispatch(EVENTS[9])
    await world.run()
    assert called_with(world) == [event.id for event in (*EVENTS[:6], EVENTS[9])]


async def test_a_paused_subscription_is_let_out_no_further() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS, rate=2)
    await world.run()
    await resume(world)

    async def pause() -> None:
        old, version = world.subscriptions.rows["s1"]
        await world.subscriptions.put(replace(old, status="paused"), version, old)

    world.callbacks.during = pause
    await world.run()
    assert world.calls() <= 1 + MAX_UNDER_WAY
    assert world.stages().count(Stage.HELD) >= len(EVENTS) - 1 - MAX_UNDER_WAY
    await resume(world)
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS]


async def test_too_many_failures_in_a_row_leave_one_probe() -> None:
    world = World(Answer(503), events=EVENTS)
    await world.run(until=LATER)
    assert world.status() == "failing"
    assert world.stages() == [Stage.WAITING] + [Stage.HELD] * (len(EVENTS) - 1)
    before = len(world.called)
    await world.run(until=LATER)
    assert set(called_with(world)[before:]) == {EVENTS[0].id}
    assert [b - a for a, b in pairwise(world.called[before:])] == pytest.approx([60.0] * 9, rel=0.01)


async def test_the_first_success_of_a_probe_releases_the_others() -> None:
    world = World(Answer(503), events=EVENTS)
    await world.run(until=LATER)
    world.callbacks.answers[URL] = [Answer(202)]
    before = len(world.called)
    await world.run()
    assert called_with(world)[before:] == [event.id for event in EVENTS]
    assert (set(world.stages()), world.status(), world.is_quiet()) == ({Stage.DELIVERED}, "active", True)


async def test_a_probe_that_is_too_old_is_a_dead_letter_and_the_next_oldest_is_tried() -> None:
    world = World(Answer(503), events=EVENTS[:7], max_age=timedelta(minutes=3))
    await world.run(until=timedelta(minutes=1))
    world.dispatch(EVENTS[8])
    await world.run(until=timedelta(minutes=2, seconds=30))
    assert world.stages() == [Stage.DEAD] * 7 + [Stage.WAITING]
    assert {letter.event_id for letter in world.letters()} == {event.id for event in EVENTS[:7]}
    assert called_with(world)[-1] == EVENTS[8].id


async def test_a_failing_subscription_without_a_backlog_is_tried_with_the_next_event() -> None:
    world = World(of=replace(subscription(), status="failing", failures=5))
    await world.run()
    assert (world.calls(), world.stage(), world.status()) == (1, Stage.DELIVERED, "active")


async def test_what_a_process_that_died_was_letting_out_is_waited_for_with_few_looks() -> None:
    world = World(events=[])
    begun = world.clock() + timedelta(seconds=40)
    for event in EVENTS[:2]:
        held = Delivery.held(New("s1", event, world.clock()), world.clock())
        await world.deliveries.put(held.attempt(world.clock(), begun, is_let_out=True))
    for _ in range(3):
        await world.backlog.start("s1")
    await world.run()
    assert (set(world.stages()), called_with(world)) == ({Stage.DELIVERED}, [event.id for event in EVENTS[:2]])
    assert world.releases.sent <= 12  # one each 5 seconds


async def test_many_who_put_something_in_at_once_arrange_one_look_and_leave_nothing_to_be_looked_at_later() -> None:
    world = World(events=[])
    held = [Delivery.held(New("s1", event, world.clock()), world.clock()) for event in EVENTS]
    await asyncio.gather(*map(world.backlog.add, held))
    assert (world.releases.sent, world.due.rows) == (1, {})
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS]


async def test_failures_that_are_not_in_a_row_leave_a_subscription_active() -> None:
    answers = [Answer(503), Answer(503), Answer(503), Answer(503), Answer(202)] * 3
    world = World(*answers, events=[])
    for event in EVENTS[:3]:
        world.dispatch(event)
        await world.run()
    assert (world.status(), set(world.stages())) == ("active", {Stage.DELIVERED})
    assert world.publisher.events == []  # nobody was told that it was failing


@pytest.mark.parametrize("is_repeated", [False, True], ids=["heard", "not heard"])
async def test_five_failures_make_it_failing_and_none_of_them_counts_twice(*, is_repeated: bool) -> None:
    world = World(Answer(503), Answer(503), Answer(503), Answer(503), Answer(202), events=EVENTS[:1])
    for _ in range(4):
        world.subscriptions.table.repeated = {"replace"} if is_repeated else set()
        await world.run(until=timedelta(seconds=1))
        world.clock.advance(timedelta(minutes=1))
    assert (world.calls(), world.subscriptions.rows["s1"][0].failures, world.status()) == (4, 4, "active")


async def test_failures_at_the_same_time_are_counted_each() -> None:
    world = World(events=[])
    await asyncio.gather(*(change(world.subscriptions, "s1", lambda it: it.failed(NOON)) for _ in range(3)))
    assert world.subscriptions.rows["s1"][0].failures == 3


async def test_whoever_has_not_heard_that_the_lease_is_his_lets_out_at_once() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:3])
    await world.run()
    await resume(world)
    world.subscriptions.table.repeated = {"replace"}
    await world.run(until=timedelta(seconds=10))
    assert (world.subscriptions.table.repeated, called_with(world)) == (set(), [event.id for event in EVENTS[:3]])


async def test_what_was_held_for_too_long_is_a_dead_letter() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:3], keep=timedelta(days=30))
    await world.run()
    world.clock.advance(timedelta(days=31))
    world.dispatch(EVENTS[4])
    await resume(world)
    await world.run()
    assert called_with(world) == [EVENTS[4].id]
    assert [letter.reason for letter in world.letters()] == ["held for EVENT_RETENTION_DAYS"] * 3


async def test_a_pause_longer_than_the_maximum_age_loses_nothing() -> None:
    world = World(Answer(503), Answer(202), of=subscription(status="paused"), max_age=timedelta(hours=1))
    await world.run()
    world.clock.advance(timedelta(days=3))
    await resume(world)
    await world.run()
    assert (world.calls(), world.stage(), world.letters()) == (2, Stage.DELIVERED, [])


async def test_what_a_former_subscription_with_the_same_id_had_waiting_is_not_for_the_new_one() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:3])
    await world.run()
    world.clock.advance(timedelta(hours=1))
    world.subscriptions.rows["s1"] = replace(subscription(), created_at=world.clock()), "v7"
    world.dispatch(EVENTS[4])
    await world.backlog.start("s1")
    await world.run()
    assert called_with(world) == [EVENTS[4].id]


@pytest.mark.parametrize("status", ["paused", "suspended"])
async def test_what_a_process_that_died_was_letting_out_is_held_again_once_its_subscription_is_not_open(
    status: str,
) -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:1])
    await world.run()
    await resume(world)

    async def die() -> None:
        raise Death

    world.callbacks.during = die
    with pytest.raises(Death):
        await world.run()
    world.begin()
    await change(world.subscriptions, "s1", lambda it: replace(it, status=status))
    await world.run()
    assert (world.stages(), world.is_quiet()) == ([Stage.HELD], True)


async def test_whoever_is_behind_the_making_of_a_subscription_takes_no_event_for_a_former_ones() -> None:
    made_at = NOON + timedelta(minutes=5)  # by a process that is ahead
    world = World(of=replace(subscription(status="paused"), created_at=made_at), events=EVENTS[:3])
    await world.run()
    await resume(world)
    await world.run()
    assert (called_with(world), set(world.stages())) == ([event.id for event in EVENTS[:3]], {Stage.DELIVERED})


@pytest.mark.parametrize("how", ["letters", "replay"])
async def test_what_somebody_asks_for_again_is_for_the_subscription_that_has_the_id_now(how: str) -> None:
    world = World(Answer(400), events=EVENTS[:3])
    await world.run()
    world.clock.advance(timedelta(hours=1))
    world.subscriptions.rows["s1"] = replace(subscription(status="paused"), created_at=world.clock()), "v7"
    for event in EVENTS[:4]:
        await world.events.record(event, ["s1"])
    if how == "letters":
        assert await world.redeliver.letters("s1", ALWAYS) == 3
    else:
        assert await world.replay("s1", Wanted(since=NOON)) == 4
    world.callbacks.answers.clear()
    await resume(world)
    await world.run()
    assert called_with(world)[3:] == [event.id for event in (EVENTS[:3] if how == "letters" else EVENTS[:4])]


async def test_a_replay_goes_out_after_what_is_held_and_holds_up_nothing() -> None:
    world = World(events=[], rate=1)
    for event in EVENTS[:4]:
        await world.deliveries.put(Delivery.held(New("s1", event, world.clock()), world.clock(), Line.REPLAYED))
    await world.backlog.start("s1")
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS[:4]]
    assert all(world.delivery(event).replayed for event in EVENTS[:4])


@pytest.mark.parametrize("rate", [2, 15, 50])
async def test_the_rate_is_used_and_never_exceeded(rate: int) -> None:
    events = [event_of(number) for number in range(rate * 30)]
    world = World(of=subscription(status="paused"), events=events, rate=rate)
    await world.run()
    await resume(world)
    before = (world.clock() - world.started).total_seconds()
    await world.run()
    took = world.called[-1] - before
    assert in_any_window(world.called) <= rate * WINDOW
    assert len(events) / took == pytest.approx(rate, rel=0.1)
    assert called_with(world) == [event.id for event in events]


@pytest.mark.parametrize("held", [19, 20, 21])
async def test_what_comes_after_a_run_has_handed_on_the_last_of_a_backlog_keeps_the_rate(held: int) -> None:
    world = World(of=subscription(status="paused"), events=[event_of(number) for number in range(held)], rate=1)
    await world.run()
    await resume(world)
    await world.run(until=timedelta(seconds=held + 2))
    for number in range(held, held + 4):
        world.dispatch(event_of(number))
    await world.run()
    assert (world.calls(), world.is_quiet()) == (held + 4, True)
    assert in_any_window(world.called) <= WINDOW


@pytest.mark.parametrize("rate", [1, 5, 15])
async def test_a_burst_over_several_instances_keeps_the_rate(rate: int) -> None:
    events = [event_of(number) for number in range(rate * 25)]
    world = World(events=events, rate=rate)
    instances = []
    for _ in range(3):
        world.begin()
        instances.append(world.deliver)
    turn = 0
    while world.queue.due():
        message = world.take()
        await instances[turn % 3](message)
        turn += 1
    await world.run()
    assert sorted(called_with(world)) == sorted(event.id for event in events)
    assert in_any_window(world.called) <= rate * WINDOW


async def test_less_than_one_event_a_second_costs_no_extra_write() -> None:
    world = World(events=[], rate=15)
    for number in range(60):
        world.dispatch(event_of(number))
        await world.deliver(world.take())
        world.clock.advance(timedelta(seconds=1.01))
    assert (world.calls(), world.deliveries.writes, world.subscriptions.writes) == (60, 120, 0)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("answers", [[Answer(202)], [Answer(503), Answer(202)], [Answer(503)] * 7 + [Answer(202)]])
async def test_death_between_any_two_steps_of_a_release_loses_and_invents_nothing(
    answers: list[Answer], *, after: bool
) -> None:
    async def play(deadly: int | None) -> World:
        world = World(*answers, of=subscription(status="paused"), events=EVENTS[:3], deadly=deadly, after=after)
        await world.run(deaths=(Death,))
        try:
            await resume(world)
        except Death:
            world.begin()
            await resume(world)
        await world.run(deaths=(Death,))
        return world

    whole = await play(None)
    for deadly in range(whole.fate.steps):
        world = await play(deadly)
        assert set(world.stages()) == {Stage.DELIVERED}
        assert set(called_with(world)) == {event.id for event in EVENTS[:3]}
        assert world.calls() <= whole.calls() + 1
        assert (world.status(), world.letters(), world.is_quiet()) == ("active", [], True)


@given(
    per_second=st.integers(1, 200),
    careful=st.booleans(),
    delays=st.lists(st.floats(0, 3), min_size=2, max_size=200),
)
def test_no_pace_exceeds_the_rate(*, per_second: int, careful: bool, delays: list[float]) -> None:
    pace, now, begun = Pace(per_second, careful), 1000.0, []
    for delay in delays:
        now += delay
        now += pace.wait(now)
        begun.append(now)
    assert in_any_window(begun) <= per_second * WINDOW + 1


@pytest.mark.parametrize("rate", [1, 2, 5, 15, 100, 1000])
def test_the_shares_of_all_instances_fit_into_the_rate(rate: int) -> None:
    assert share(rate) * INSTANCES <= rate * WINDOW


async def test_only_one_run_lets_out() -> None:
    world = await resumed()
    (message,) = world.releases.due()
    again = Release("s1", world.clock()).encode()
    await asyncio.gather(world.release(message), world.release(again), world.release(message))
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS]


async def dying(world: World) -> str:
    """Begin to let out, and die meanwhile; gives the message, which comes again."""

    async def die() -> None:
        raise Death

    (message,) = world.releases.due()
    world.callbacks.during = die
    with pytest.raises(Death):
        await world.release(message)
    world.callbacks.during = None
    world.begin()
    return message


@pytest.mark.parametrize("after", [35, 45, 70, 95])
async def test_what_a_run_that_died_has_left_goes_out_after_a_pause_within_its_lease(after: int) -> None:
    world = await resumed()
    began, message = world.clock(), await dying(world)
    world.clock.advance(timedelta(seconds=10))
    await world.release(message)  # finds the lease taken
    world.releases.remove(message)
    await change(world.subscriptions, "s1", lambda it: replace(it, status="paused"))
    world.clock.now = began + timedelta(seconds=after)
    await resume(world)
    await world.run()
    assert (set(world.stages()), world.is_quiet()) == ({Stage.DELIVERED}, True)


async def test_what_a_run_that_died_has_left_goes_out_though_the_next_process_is_behind_its_clock() -> None:
    world = await resumed()
    message = await dying(world)
    await world.release(message)
    world.releases.remove(message)
    lease = world.subscriptions.rows["s1"][0].leased_until
    assert lease is not None
    world.due.rows.clear()
    world.clock.now = lease - timedelta(seconds=3)
    await world.release(Release("s1", lease).encode())  # what has insured it; it was sent by another clock
    await world.run()
    assert (set(world.stages()), world.is_quiet()) == ({Stage.DELIVERED}, True)


async def test_a_run_that_finds_another_one_quicker_leaves_no_look_behind() -> None:
    world = await resumed()
    (message,) = world.releases.due()

    async def is_quicker() -> None:
        until = world.clock() + timedelta(seconds=20)
        await change(world.subscriptions, "s1", lambda it: replace(it, release_at=until, leased_until=until))

    world.subscriptions.before_write = is_quicker
    await world.release(message)
    assert (called_with(world), world.due.rows) == ([], {})


async def test_a_run_that_another_instance_takes_over_at_once_is_followed_without_a_pause() -> None:
    events = [event_of(number) for number in range(100)]
    world = World(of=subscription(status="paused"), events=events, rate=2)
    await world.run()
    await resume(world)
    (message,) = world.releases.due()
    world.releases.remove(message)

    async def take() -> None:
        world.releases.taken = None
        for due in world.releases.due():
            await world.release(due)
            world.releases.remove(due)

    world.releases.taken = take
    await world.release(message)
    await world.run()
    assert called_with(world) == [event.id for event in events]
    assert max(b - a for a, b in pairwise(world.called)) < 1
    assert world.is_quiet()


@pytest.mark.parametrize("status", ["paused", "failing"])
async def test_a_run_that_fails_over_storage_goes_on_when_its_message_comes_again(status: str) -> None:
    world = World(of=subscription(status="paused"), events=EVENTS)
    await world.run()
    if status == "failing":
        old, version = world.subscriptions.rows["s1"]
        failing = replace(old, status="failing", failures=5, release_at=world.clock())
        await world.subscriptions.put(failing, version, old)
        message = Release("s1", world.clock()).encode()
    else:
        await resume(world)
        (message,) = world.releases.due()
        world.releases.remove(message)
    fails = iter([False, False, True])

    def fail() -> None:
        if next(fails, False):
            raise TransientError("table deliveries cannot be reached")

    world.deliveries.slowness = fail
    with pytest.raises(TransientError):
        await world.release(message)
    before = (world.clock() - world.started).total_seconds()
    await world.release(message)
    await world.run()
    assert set(called_with(world)) == {event.id for event in EVENTS}
    assert (set(world.stages()), world.is_quiet()) == ({Stage.DELIVERED}, True)
    assert world.called[-1] < before + 60


async def test_two_messages_for_one_probe_make_one() -> None:
    world = World(Answer(503), events=EVENTS[:6])
    await world.run(until=LATER)
    calls = world.calls()
    await world.release(Release("s1", world.started).encode())
    assert world.calls() == calls


async def test_what_somebody_has_sent_by_hand_since_the_line_was_read_is_not_let_out_again() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:2])
    await world.run()
    await resume(world)
    second = ("s1", world.delivery(EVENTS[1]).key)

    def sent_by_hand() -> None:
        held, now = world.delivery(EVENTS[1]), world.clock()
        sent = held.attempt(now, now, by_hand="request").end_attempt(Answer(202), now).succeed()
        world.deliveries.rows[second] = sent, "by hand"
        world.deliveries.slowness = lambda: None

    world.deliveries.slowness = sent_by_hand  # while the first is claimed
    await world.run()
    assert called_with(world) == [EVENTS[0].id]


async def test_what_is_put_in_between_the_last_look_at_the_line_and_the_end_of_the_lease_is_let_out() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS[:1])
    await world.run()
    await resume(world)

    async def put_in() -> None:
        await world.backlog.add(Delivery.held(New(world.mine, EVENTS[1], world.clock()), world.clock()))

    async def during_the_call() -> None:
        world.due.rows.clear()  # in a long run, what insured its beginning has come and gone
        world.subscriptions.before_write = put_in  # the next write gives the lease back

    world.callbacks.during = during_the_call
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS[:2]]
    assert (set(world.stages()), world.is_quiet()) == ({Stage.DELIVERED}, True)
