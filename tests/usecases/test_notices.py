"""Notices about subscriptions: each turn is told, whatever dies on the way, and none about a notice's own delivery."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Stage
from shared.domain.events import EVENT_TYPES
from shared.domain.events.envelope import Event
from shared.domain.events.subscriptions import SubscriptionNotice
from shared.domain.notices import MOST_OWED
from shared.domain.subscriptions import Subscription
from shared.domain.wishes import Wish
from shared.errors import InvalidInputError, TransientError
from shared.usecases.edit import Edits
from shared.usecases.subscribe import Unsubscribe
from tests.fakes import NOON, Death
from tests.usecases.test_subscribe import wish
from tests.usecases.world import URL, World, event_of, subscription

GONE, DOWN, WELL = Answer(404), Answer(500), Answer(202)
FIVE = [event_of(number) for number in range(5)]
DAY = timedelta(days=1)
NOTICES = [data for data in EVENT_TYPES if issubclass(data, SubscriptionNotice)]


def told(world: World) -> list[tuple[str, Any]]:
    """What was told: the last word of the type, and its data."""
    return [(event["type"].rpartition(".Subscription")[2], event["data"]) for event in world.publisher.events]


def names(world: World) -> list[str]:
    return [name for name, _ in told(world)]


async def failing(**world_of: Any) -> World:  # noqa: ANN401 - what `World` takes
    """Five deliveries failed at once, and the clock stands when they did."""
    world = World(DOWN, events=FIVE, **world_of)
    await world.run(until=timedelta())
    assert world.status() == "failing"
    return world


async def test_that_a_flow_is_gone_is_told_with_its_reason() -> None:
    world = World(GONE, of=replace(subscription(), label="Ours"))
    await world.run()
    ((name, data),) = told(world)
    assert name == "Suspended"
    assert (data["subscriptionId"], data["trigger"]) == ("s1", "data-source-refresh-succeeded")
    assert (data["label"], data["reason"]) == ("Ours", "HTTP 404")
    assert world.publisher.events[0]["subject"] == "subscriptions/s1"
    assert world.subscriptions.rows["s1"][0].owed == ()


async def test_that_a_flow_denies_until_the_maximum_age_is_told() -> None:
    world = World(Answer(403), max_age=timedelta(seconds=200))
    await world.run()
    assert names(world) == ["Failing", "Suspended"]


async def test_that_a_flow_keeps_failing_is_told_once_and_that_it_recovers_with_what_is_let_out() -> None:
    world = await failing()
    world.dispatch(event_of(5))
    await world.run(until=timedelta(minutes=10))
    ((name, data),) = told(world)
    assert name == "Failing"
    assert (data["failures"], data["stage"], data["reason"]) == (5, "opened", "5 failures in a row")
    assert (data["failingSince"], data["switchOffAt"]) == ("2026-11-20T12:00:00Z", "2026-12-04T12:00:00Z")
    world.callbacks.answers[URL], held = [WELL], world.stages().count(Stage.HELD)
    await world.run()
    name, data = told(world)[-1]
    assert (name, data["held"], names(world)) == ("Resumed", held, ["Failing", "Resumed"])
    assert held > 1
    assert set(world.stages()) == {Stage.DELIVERED}


async def test_a_subscription_that_is_paused_and_let_on_is_no_news() -> None:
    world = World()
    await world.run()
    for status in ("paused", "active"):
        await world.edit("s1", Edits(status=status))  # type: ignore[arg-type]  # two of its values
    assert told(world) == []


async def subscribed(world: World, asked: Wish) -> Subscription:
    return (await world.subscribe(asked)).subscription


async def again(world: World) -> None:
    await subscribed(world, wish("data-source-refresh-succeeded", URL))


async def edit(world: World) -> None:
    await world.edit("s1", Edits(status="active"))


@pytest.mark.parametrize("resume", [again, edit])
async def test_that_a_suspended_one_takes_events_again_is_told(resume: Callable[[World], Awaitable[None]]) -> None:
    world = World(GONE)
    await world.run()
    world.callbacks.answers[URL] = [WELL]
    await resume(world)
    name, data = told(world)[-1]
    assert (name, data["held"]) == ("Resumed", 1)


async def test_eleven_days_later_a_flow_that_still_fails_is_warned_of_once() -> None:
    world = await failing()
    for days, expected in ((10.9, 1), (11, 2), (11.1, 2), (13, 2)):
        world.clock.now = NOON + days * DAY
        await world.notify.sweep()
        assert len(told(world)) == expected
    event = world.publisher.events[-1]
    assert (event["time"], event["data"]["stage"]) == ("2026-12-01T12:00:00Z", "nearSwitchOff")
    assert len({event["id"] for event in world.publisher.events}) == 2


@pytest.mark.parametrize("status", ["active", "paused", "suspended"])
async def test_of_one_that_does_not_fail_any_more_nobody_is_warned(status: Any) -> None:  # noqa: ANN401 - a literal
    world = await failing()
    world.subscriptions.rows["s1"] = replace(world.subscriptions.rows["s1"][0], status=status), ""
    world.clock.advance(12 * DAY)
    await world.notify.sweep()
    assert names(world) == ["Failing"]


@pytest.mark.parametrize("data", NOTICES)
@pytest.mark.parametrize("answer", [GONE, DOWN])
async def test_nothing_is_told_of_a_subscription_to_such_notices(
    data: type[SubscriptionNotice], answer: Answer
) -> None:
    events = [
        Event.of(data.model_validate(data.sample), time=NOON + timedelta(minutes=n), occurrence=[str(n)])
        for n in range(5)
    ]
    world = World(answer, of=subscription(slug=data.slug, instance_id="*"), events=events)
    await world.run(until=timedelta(hours=1))
    assert world.status() != "active"
    world.clock.advance(12 * DAY)
    await world.notify.sweep()
    world.callbacks.answers[URL] = [WELL]
    await edit(world)
    assert told(world) == []


async def test_a_delivery_that_goes_straight_through_costs_no_more() -> None:
    world = World()
    await world.run()
    assert (world.subscriptions.writes, world.publisher.events) == (0, [])
    assert world.subscriptions.reads == 1


async def test_while_the_topic_is_down_deliveries_go_on_and_the_notice_waits(caplog: pytest.LogCaptureFixture) -> None:
    world = World(GONE)
    world.publisher.failures = [TransientError("the topic is down")] * 2
    await world.run()
    assert (world.stage(), world.status(), told(world)) == (Stage.HELD, "suspended", [])
    assert "notice.left subscription=s1" in caplog.text
    with pytest.raises(ExceptionGroup, match="1 subscriptions"):
        await world.notify.sweep()
    await world.notify.sweep()
    await world.notify.sweep()
    assert names(world) == ["Suspended"]


async def test_a_row_keeps_no_more_notices_than_it_has_room_for() -> None:
    world = World(of=subscription(status="suspended"))
    for number in range(MOST_OWED):
        world.publisher.failures = [TransientError("down")] * 2
        await edit(world)
        stands = world.subscriptions.rows["s1"][0]
        world.subscriptions.rows["s1"] = replace(stands, status="suspended"), ""
        world.clock.advance(timedelta(seconds=1))
        assert len(stands.owed) == min(number + 1, MOST_OWED)


async def end(world: World) -> None:
    unsubscribe = Unsubscribe(
        subscriptions=world.subscriptions, deliveries=world.deliveries, notify=world.notify, clock=world.clock
    )
    await unsubscribe.by_id(None, "s1")


@pytest.mark.parametrize("is_down", [False, True])
async def test_what_is_owed_when_a_subscription_ends_is_told_before_or_kept_as_a_dead_letter(*, is_down: bool) -> None:
    world = World(GONE)
    world.publisher.failures = [TransientError("down")] * (2 if is_down else 1)
    await world.run()
    await end(world)
    assert list(world.subscriptions.rows) == []
    assert (names(world), [letter.kind for letter in world.letters()]) == (
        ([], ["message"]) if is_down else (["Suspended"], [])
    )


# --- whatever dies


async def suspend(world: World) -> None:
    await world.run(deaths=(Death,))


async def fail(world: World) -> None:
    world.callbacks.answers[URL] = [DOWN]
    await world.run(until=timedelta(minutes=2), deaths=(Death,))


async def recover(world: World) -> None:
    await fail(world)
    world.callbacks.answers[URL] = [WELL]
    await world.run(deaths=(Death,))


async def resume(world: World) -> None:
    await world.run(deaths=(Death,))
    await twice(lambda: edit(world))


async def unsubscribe(world: World) -> None:
    world.publisher.failures = [TransientError("down")]
    await world.run(deaths=(Death,))
    world.publisher.failures.clear()
    await twice(lambda: end(world))


async def twice(act: Callable[[], Awaitable[None]]) -> None:
    """Do it, and once more where the process dies, as whoever asked for it does."""
    try:
        await act()
    except Death:
        await act()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (suspend, {"Suspended"}),
        (fail, {"Failing"}),
        (recover, {"Failing", "Resumed"}),
        (resume, {"Suspended", "Resumed"}),
        (unsubscribe, {"Suspended"}),
    ],
)
async def test_a_kill_anywhere_loses_no_notice(
    act: Callable[[World], Awaitable[None]], expected: set[str], *, after: bool
) -> None:
    for deadly in range(1_000):
        events = FIVE if "Failing" in expected else FIVE[:1]
        world = World(GONE, events=events, deadly=deadly, after=after)
        await act(world)
        for _ in range(2):
            await twice(world.notify.sweep)
        assert set(names(world)) == expected, deadly
        by_id = {event["id"]: event for event in world.publisher.events}
        assert all(event == by_id[event["id"]] for event in world.publisher.events), "a repeat has the same bytes"
        assert len(by_id) == len(expected), deadly
        if world.fate.steps <= deadly:
            return
    raise AssertionError("it never ends")


# --- who may ask for them


async def test_of_all_instances_only_triggers_of_the_bridge_itself_are_for() -> None:
    world = World()
    for slug, filters in (("polling-failed", {"family": "jobs"}), ("subscription-failing", {})):
        asked = replace(wish(slug, URL, **filters), instance_id="*")
        assert (await subscribed(world, asked)).instance_id == "*"
    with pytest.raises(InvalidInputError) as refused:
        await subscribed(world, replace(wish("data-source-refresh-failed", URL), instance_id="*"))
    assert set(refused.value.fields) == {"instanceId"}
