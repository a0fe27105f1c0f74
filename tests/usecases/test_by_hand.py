"""By hand: pause, resume, edit, test, redeliver, replay; what a person asks for is done once, and nothing is lost."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Stage
from shared.domain.logs import ALWAYS
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.usecases.bury import letter_of
from shared.usecases.edit import Edits
from shared.usecases.replay import Wanted
from tests.fakes import NOON, Death
from tests.usecases.test_release import called_with
from tests.usecases.world import EVENT, URL, World, event_of, subscription

EVENTS = [event_of(number) for number in range(6)]
ACTIVE, PAUSED = Edits(status="active"), Edits(status="paused")
AT_ONCE = timedelta(seconds=1)


# --- pause, resume, edit


async def test_a_paused_subscription_holds_and_a_resumed_one_gets_all() -> None:
    world = World(events=[])
    assert (await world.edit("s1", PAUSED)).status_reason == "paused by hand"
    for event in EVENTS:
        world.dispatch(event)
    await world.run()
    assert set(world.stages()) == {Stage.HELD}
    resumed = await world.edit("s1", ACTIVE)
    assert (resumed.status, resumed.status_reason) == ("active", None)
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS]


async def test_a_discarded_backlog_is_dead_letters() -> None:
    world = World(of=subscription(status="paused"), events=EVENTS)
    await world.run()
    await world.edit("s1", Edits(status="active", backlog="discard"))
    world.dispatch(event_of(9))
    await world.run()
    assert called_with(world) == [event_of(9).id]
    assert {letter.reason for letter in world.letters()} == {"discarded by hand"}
    assert {letter.event_id for letter in world.letters()} == {event.id for event in EVENTS}


async def test_a_failing_one_that_is_made_active_is_tried_anew() -> None:
    world = World(Answer(503), events=EVENTS)
    await world.run(until=timedelta(minutes=10))
    assert world.status() == "failing"
    world.callbacks.answers[URL] = [Answer(202)]
    assert (await world.edit("s1", ACTIVE)).failures == 0
    await world.run()
    assert set(world.stages()) == {Stage.DELIVERED}


async def test_a_threshold_that_is_edited_is_a_new_rule() -> None:
    world = World(
        of=subscription(slug="segment-threshold-crossed", segmentName="Gold", threshold=Decimal(10)), events=[]
    )
    edited = await world.edit("s1", Edits(label="gold", filters={"threshold": Decimal(20), "direction": "either"}))
    assert edited.rule is not None
    assert (edited.rule.threshold, edited.rule.direction, edited.label) == (Decimal(20), "either", "gold")
    assert edited.rule_id != "r1"
    same = await world.edit("s1", Edits(filters={"threshold": Decimal(20)}))
    assert same.rule_id == edited.rule_id


@pytest.mark.parametrize("filters", [{"threshold": Decimal(1)}, {"maxAgeHours": 1}])
async def test_a_filter_that_its_trigger_does_not_have_is_refused(filters: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await World(events=[]).edit("s1", Edits(filters=filters))
    assert refused.value.fields.keys() == filters.keys()


async def test_what_is_not_there_is_not_found() -> None:
    world = World(events=[])
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: world.edit("s2", PAUSED),
        lambda: world.edit("s2", ACTIVE),
        lambda: world.redeliver.test("s2"),
        lambda: world.redeliver.delivery("s2", EVENT.id),
        lambda: world.redeliver.delivery("s1", EVENT.id),
        lambda: world.redeliver.letter("x"),
        lambda: world.replay("s2", Wanted(NOON)),
    ]
    for ask in asked:
        with pytest.raises(NotFoundError):
            await ask()


# --- test events


@pytest.mark.parametrize("status", ["active", "failing", "paused", "suspended"])
async def test_a_test_event_is_sent_at_once_whatever_the_status(status: str) -> None:
    world = World(of=subscription(status=status), events=[])
    event_id = await world.redeliver.test("s1")
    await world.run()
    assert called_with(world) == [event_id]
    assert world.status() == ("paused" if status == "paused" else "active")
    ((delivery, _),) = world.deliveries.rows.values()
    assert (delivery.stage, delivery.is_test, delivery.event.data["instanceId"]) == (Stage.DELIVERED, True, "i1")


@pytest.mark.parametrize("answer", [Answer(503), Answer(404), Answer(400), Answer(401)])
async def test_a_test_event_in_vain_changes_nothing_but_the_log(answer: Answer) -> None:
    world = World(answer, events=[])
    await world.redeliver.test("s1")
    await world.run()
    ((delivery, _),) = world.deliveries.rows.values()
    assert (world.calls(), delivery.stage, delivery.status) == (1, Stage.DEAD, answer.status)
    assert (world.status(), world.subscriptions.writes, world.letters()) == ("active", 0, [])


# --- one delivery


async def test_one_that_waits_is_moved_forward_and_not_doubled() -> None:
    world = World(Answer(503, retry_after=3600), Answer(202))
    await world.run(until=AT_ONCE)
    assert world.stage() is Stage.WAITING
    await world.redeliver.delivery("s1", EVENT.id)
    await world.run(until=AT_ONCE)
    assert (world.calls(), world.stage()) == (2, Stage.DELIVERED)
    await world.run()
    assert (world.calls(), world.is_quiet()) == (2, True)


async def test_one_that_is_held_is_attempted_though_its_subscription_is_paused() -> None:
    world = World(Answer(503), Answer(202), of=subscription(status="paused"), events=EVENTS[:2])
    await world.run()
    await world.redeliver.delivery("s1", EVENTS[0].id)
    await world.run()
    assert (world.stages(), world.status()) == ([Stage.HELD, Stage.HELD], "paused")
    await world.redeliver.delivery("s1", EVENTS[0].id)
    await world.run()
    assert (world.stages(), world.status()) == ([Stage.DELIVERED, Stage.HELD], "paused")


@pytest.mark.parametrize("status", ["suspended", "failing"])
async def test_a_success_by_hand_makes_it_active_and_releases_the_others(status: str) -> None:
    world = World(of=replace(subscription(status="suspended"), failures=5), events=EVENTS)
    await world.run()
    row, version = world.subscriptions.rows["s1"]
    world.subscriptions.rows["s1"] = replace(row, status=status, release_at=NOON + timedelta(hours=9)), version
    await world.redeliver.delivery("s1", EVENTS[3].id)
    await world.run()
    assert (set(world.stages()), world.status()) == ({Stage.DELIVERED}, "active")
    assert world.calls() == len(EVENTS)


@pytest.mark.parametrize("answer", [Answer(503), Answer(404), Answer(400)])
async def test_one_that_was_delivered_stays_so_when_it_is_sent_again_in_vain(answer: Answer) -> None:
    world = World(Answer(202), answer)
    await world.run()
    await world.redeliver.delivery("s1", EVENT.id)
    await world.run()
    assert (world.calls(), world.stage(), world.delivery().status) == (2, Stage.DELIVERED, answer.status)
    assert (world.status(), world.letters()) == ("active", [])


async def test_one_that_waits_goes_on_to_wait_when_it_is_sent_to_a_flow_that_is_off() -> None:
    world = World(Answer(503, retry_after=60), Answer(404), Answer(202))
    await world.run(until=AT_ONCE)
    await world.redeliver.delivery("s1", EVENT.id)
    await world.run(until=AT_ONCE)
    assert (world.calls(), world.stage(), world.status(), world.letters()) == (2, Stage.WAITING, "active", [])
    await world.run()
    assert (world.calls(), world.stage()) == (3, Stage.DELIVERED)


async def test_a_request_that_comes_twice_is_one_attempt() -> None:
    world = World()
    await world.run()
    await world.redeliver.delivery("s1", EVENT.id)
    message = world.queue.due()[0]
    await world.deliver(message)
    await world.run()
    assert world.calls() == 2


# --- dead letters


async def test_a_dead_letter_is_delivered_and_gone() -> None:
    world = World(Answer(400), Answer(202))
    await world.run()
    (letter,) = world.letters()
    await world.redeliver.letter(letter.id)
    assert world.letters() == []
    await world.run()
    assert (world.calls(), world.stage()) == (2, Stage.DELIVERED)


async def test_a_dead_letter_that_is_delivered_in_vain_is_one_again() -> None:
    world = World(Answer(400))
    await world.run()
    await world.redeliver.letter(world.letters()[0].id)
    await world.run()
    assert (world.calls(), world.stage(), len(world.letters())) == (2, Stage.DEAD, 1)


@pytest.mark.parametrize("by", ["letter", "delivery"])
async def test_a_dead_letter_is_kept_of_what_is_in_vain_before_the_earlier_one_is_forgotten(by: str) -> None:
    world = World(Answer(400))
    await world.run()

    async def at_once() -> None:
        world.queue.taken = None
        world.clock.advance(AT_ONCE)
        await world.deliver(world.take())

    world.queue.taken = at_once
    await ASKED[by](world)
    assert (world.calls(), world.stage(), len(world.letters())) == (2, Stage.DEAD, 1)


async def test_a_dead_letter_can_be_sent_again_as_often_as_it_is_one() -> None:
    world = World(Answer(400), Answer(400), Answer(202))
    await world.run()
    for _ in range(2):
        world.clock.advance(AT_ONCE)
        await world.redeliver.letter(world.letters()[0].id)
        await world.run()
    assert (world.calls(), world.stage(), world.letters()) == (3, Stage.DELIVERED, [])


async def test_a_dead_letter_that_is_asked_for_twice_is_sent_once() -> None:
    world = World(Answer(400))
    await world.run()
    (letter,) = world.letters()
    await world.redeliver.letter(letter.id)
    await world.graveyard.record(letter)  # the process had died before it was forgotten
    await world.redeliver.letter(letter.id)
    await world.run()
    assert (world.calls(), world.stage(), len(world.letters())) == (2, Stage.DEAD, 1)


async def test_a_dead_letter_outlives_the_record_of_its_delivery() -> None:
    world = World(Answer(400), Answer(202))
    await world.run()
    world.deliveries.rows.clear()
    await world.redeliver.letter(world.letters()[0].id)
    await world.run()
    assert (world.calls(), world.stage()) == (2, Stage.DELIVERED)


async def test_a_dead_letter_that_cannot_be_delivered_says_why() -> None:
    world = World(Answer(400))
    await world.run()
    await world.bury.message("events", "garbage", "unreadable")
    world.subscriptions.rows.clear()
    for letter in world.letters():
        with pytest.raises(ConflictError):
            await world.redeliver.letter(letter.id)
    assert len(world.letters()) == 2


async def test_all_dead_letters_go_out_again_in_order() -> None:
    world = World(Answer(400), events=EVENTS[::-1])
    await world.run()
    world.callbacks.answers[URL] = [Answer(202)]
    assert await world.redeliver.letters(None, ALWAYS) == len(EVENTS)
    await world.run()
    assert called_with(world)[len(EVENTS) :] == [event.id for event in EVENTS]
    assert (set(world.stages()), world.letters()) == ({Stage.DELIVERED}, [])


# --- replay


async def logged(*answers: Answer, status: str = "active") -> World:
    world = World(*answers, of=subscription(status=status), events=[])
    for event in EVENTS:
        await world.events.record(event, [])
    return world


async def test_a_replay_brings_what_happened_before_the_subscription() -> None:
    world = await logged()
    assert await world.replay("s1", Wanted(EVENTS[2].time), is_dry=True) == 4
    assert (world.deliveries.rows, world.is_quiet()) == ({}, True)
    assert await world.replay("s1", Wanted(EVENTS[2].time, EVENTS[5].time)) == 3
    await world.run()
    assert called_with(world) == [event.id for event in EVENTS[2:5]]


async def test_a_replay_brings_what_is_wanted_and_nothing_else() -> None:
    world = await logged()
    row, version = world.subscriptions.rows["s1"]
    world.subscriptions.rows["s1"] = replace(row, filters=subscription(dataSourceId="d2").filters), version
    assert await world.replay("s1", Wanted(NOON)) == 0


async def test_a_replay_leaves_out_what_was_taken_unless_all_is_wanted() -> None:
    world = await logged()
    world.dispatch(EVENTS[1])
    await world.run()
    assert await world.replay("s1", Wanted(NOON)) == 5
    await world.run()
    assert await world.replay("s1", Wanted(NOON)) == 0
    assert await world.replay("s1", Wanted(NOON, which="all")) == 6
    await world.run()
    assert called_with(world)[6:] == [event.id for event in EVENTS]


async def test_a_replay_of_what_was_taken_arranges_few_looks_whatever_the_number_of_events() -> None:
    world = await logged()
    await world.replay("s1", Wanted(NOON))
    await world.run()
    before = world.due.added
    assert await world.replay("s1", Wanted(NOON)) == 0
    assert world.due.added - before == 2  # while it puts in, and when it has


async def test_a_replay_of_what_is_under_way_changes_nothing() -> None:
    world = await logged(Answer(503, retry_after=600), Answer(202))
    world.dispatch(EVENTS[1])
    await world.run(until=AT_ONCE)
    assert await world.replay("s1", Wanted(EVENTS[1].time, EVENTS[2].time, which="all")) == 0
    await world.run()
    assert called_with(world) == [EVENTS[1].id] * 2


async def test_a_live_event_does_not_wait_for_a_replay() -> None:
    world = await logged(status="paused")
    await world.replay("s1", Wanted(NOON))
    await world.edit("s1", ACTIVE)
    world.dispatch(event_of(9))
    await world.run()
    assert called_with(world)[0] == event_of(9).id
    assert world.calls() == len(EVENTS) + 1


async def test_a_dead_letter_that_is_replayed_is_no_dead_letter_any_more() -> None:
    world = await logged(Answer(400), Answer(202))
    world.dispatch(EVENTS[0])
    await world.run()
    assert len(world.letters()) == 1
    await world.replay("s1", Wanted(NOON))
    await world.run()
    assert (set(world.stages()), world.letters()) == ({Stage.DELIVERED}, [])


# --- death

type Ask = Callable[[World], Awaitable[object]]
ASKED: dict[str, Ask] = {
    "replay": lambda world: world.replay("s1", Wanted(NOON)),
    "letters": lambda world: world.redeliver.letters(None, ALWAYS),
    "letter": lambda world: world.redeliver.letter(letter_of(world.delivery(EVENTS[0]))),
    "delivery": lambda world: world.redeliver.delivery("s1", EVENTS[0].id),
    "resume": lambda world: world.edit("s1", ACTIVE),
    "discard": lambda world: world.edit("s1", Edits(status="active", backlog="discard")),
}


async def insist(world: World, ask: Ask) -> None:
    """Ask again where no answer came; what has been done by then may be gone."""
    try:
        await ask(world)
    except Death:
        world.begin()
        with contextlib.suppress(NotFoundError):
            await ask(world)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("what", ASKED)
async def test_death_between_any_two_steps_of_what_is_asked_by_hand_loses_nothing(what: str, *, after: bool) -> None:
    async def play(deadly: int | None) -> World:
        world = World(Answer(400), events=EVENTS[:3])
        await world.run()
        world.callbacks.answers[URL] = [Answer(202)]
        for event in EVENTS:
            await world.events.record(event, [])
        await world.edit("s1", PAUSED)
        for event in EVENTS[3:]:
            world.dispatch(event)
        await world.run()
        world.fate.steps, world.fate.deadly, world.fate.after = 0, deadly, after
        await insist(world, ASKED[what])
        await world.run(deaths=(Death,))
        await insist(world, ASKED["resume"])
        await world.run(deaths=(Death,))
        return world

    whole = await play(None)
    for deadly in range(whole.fate.steps):
        world = await play(deadly)
        assert world.stages() == whole.stages()
        assert {letter.event_id for letter in world.letters()} == {letter.event_id for letter in whole.letters()}
        assert world.calls() <= whole.calls() + 1
        assert world.is_quiet()
