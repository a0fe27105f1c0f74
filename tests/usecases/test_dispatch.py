"""Dispatch: one delivery for each subscription that wants the event, and no event lost."""

import asyncio
import base64
import json
from collections import Counter
from datetime import timedelta

import pytest

from shared.domain.deliveries import New, Stage
from shared.domain.messages import Look, decode_delivery
from shared.domain.routes import routes_of
from shared.domain.subscriptions import Subscription
from shared.usecases.dispatch import AT_ONCE, PER_SECOND, SPREAD
from tests.fakes import Death
from tests.usecases.world import EVENT, event_of, subscription
from tests.usecases.world import World as Inner


class World:
    def __init__(self, *subscriptions: Subscription) -> None:
        self.inner = Inner(events=[])
        self.fate, self.clock, self.queue = self.inner.fate, self.inner.clock, self.inner.queue
        rows = self.inner.subscriptions.rows
        rows.clear()
        rows.update({one.id: (one, "v0") for one in subscriptions})
        self.events, self.graveyard = self.inner.events, self.inner.graveyard
        self.dispatch = self.inner.delivering.dispatch

    def sent(self) -> list[str]:
        return sorted(decode_delivery(text).subscription_id for text in self.queue.due())


WANTING = subscription(id_="a"), subscription(id_="b", dataSourceId="d1")
OTHERS = (
    subscription(id_="c", dataSourceId="d2"),
    subscription(id_="d", slug="data-source-refresh-failed"),
)
NOT_ACTIVE = subscription(id_="e", status="paused"), subscription(id_="f", status="suspended")


async def test_every_subscription_that_wants_the_event_gets_a_delivery() -> None:
    world = World(*WANTING, *OTHERS)
    await world.dispatch(EVENT.encode())
    assert world.sent() == ["a", "b"]
    sent = decode_delivery(world.queue.due()[0])
    assert isinstance(sent, New)
    assert (sent.event.raw, sent.dispatched_at) == (EVENT.raw, world.clock())
    assert sorted(world.events.events[EVENT.id].subscription_ids) == ["a", "b"]


async def test_the_log_keeps_when_the_topic_had_first_published_it() -> None:
    world, published_at = World(), EVENT.time
    await world.dispatch(EVENT.encode(), published_at)
    await world.dispatch(EVENT.encode(), published_at + timedelta(minutes=7))
    assert world.events.events[EVENT.id].published_at == published_at


async def test_one_that_is_not_active_gets_its_delivery_too_and_has_it_held() -> None:
    world = World(*WANTING, *NOT_ACTIVE)
    await world.dispatch(EVENT.encode())
    assert world.sent() == ["a", "b", "e", "f"]
    await world.inner.run()
    stages = {id_: delivery.stage for (id_, _), (delivery, _) in world.inner.deliveries.rows.items()}
    assert stages == {"a": Stage.DELIVERED, "b": Stage.DELIVERED, "e": Stage.HELD, "f": Stage.HELD}


async def test_a_thousand_subscribers_are_sent_to_side_by_side() -> None:
    world = World(*(subscription(id_=f"s{number}") for number in range(1_000)))
    under_way = most = 0
    send = world.queue.send

    async def slow(message: New | Look, delay: timedelta = timedelta(0)) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await send(message, delay)
        under_way -= 1

    world.queue.send = slow  # type: ignore[method-assign]
    await world.dispatch(EVENT.encode())
    assert (len(world.queue.messages), most) == (1_000, AT_ONCE)


@pytest.mark.parametrize(("count", "last"), [(PER_SECOND, 0), (1_000, 19), (10_000, 59)])
async def test_one_event_for_many_leaves_room_for_others_between_its_deliveries(count: int, last: int) -> None:
    world = World(*(subscription(id_=f"s{number}") for number in range(count)))
    await world.dispatch(EVENT.encode())
    waits = Counter(int((at - world.clock()).total_seconds()) for at, _ in world.queue.messages)
    assert (min(waits), max(waits), waits.total()) == (0, last, count)
    assert max(waits.values()) <= max(PER_SECOND, count / SPREAD.total_seconds()) + AT_ONCE


async def test_events_that_come_at_once_share_what_they_read() -> None:
    world, burst = World(*WANTING), [event_of(number) for number in range(50)]
    await asyncio.gather(*(world.dispatch(event.encode()) for event in burst))
    assert Counter(world.sent()) == {"a": 50, "b": 50}
    assert world.inner.subscriptions.table.calls.count("query") == 2 * len(routes_of(EVENT))


async def test_an_event_finds_who_subscribed_while_an_earlier_one_was_looking() -> None:
    late = subscription(id_="late")
    for turns in range(8):
        world = World(*WANTING)
        earlier = asyncio.create_task(world.dispatch(EVENT.encode()))
        for _ in range(turns):
            await asyncio.sleep(0)
        world.inner.subscriptions.rows[late.id] = late, "v0"
        await world.dispatch(event_of(1).encode())
        await earlier
        assert {(sent.subscription_id, sent.key.id) for sent in map(decode_delivery, world.queue.due())} >= {
            (id_, event_of(1).id) for id_ in ("a", "b", "late")
        }


async def test_a_message_may_come_as_base64() -> None:
    world = World(*WANTING)
    await world.dispatch(base64.b64encode(EVENT.encode().encode()).decode())
    assert world.sent() == ["a", "b"]


async def test_an_event_that_nobody_wants_is_only_logged() -> None:
    world = World(*OTHERS)
    await world.dispatch(EVENT.encode())
    assert (world.sent(), list(world.events.events)) == ([], [EVENT.id])


@pytest.mark.parametrize(
    "message",
    ["", "garbage", "{}", "[1]", json.dumps({**EVENT.raw, "type": "Other"}), json.dumps({**EVENT.raw, "id": ""})],
)
async def test_what_is_no_event_of_ours_is_a_dead_letter(message: str) -> None:
    world = World(*WANTING)
    await world.dispatch(message)
    (letter,) = world.graveyard.letters.values()
    assert (letter.kind, letter.body, world.sent()) == ("message", message, [])


async def test_an_event_too_large_for_a_message_goes_by_way_of_the_backlog() -> None:
    world = World(*WANTING)
    world.queue.max_bytes = len(EVENT.encode())
    await world.dispatch(EVENT.encode())
    assert (world.sent(), world.graveyard.letters) == ([], {})
    await world.inner.run()
    assert [body for _, body, _ in world.inner.callbacks.requests] == [EVENT.encode().encode()] * 2


@pytest.mark.parametrize("after", [False, True])
async def test_death_between_any_two_steps_loses_nothing(*, after: bool) -> None:
    for deadly in range(3):
        world = World(*WANTING)
        world.fate.deadly, world.fate.after = deadly, after
        with pytest.raises(Death):
            await world.dispatch(EVENT.encode())
        world.clock.advance(timedelta(minutes=10))
        await world.dispatch(EVENT.encode())
        assert set(world.sent()) == {"a", "b"}
        assert {encode_event(text) for text in world.queue.due()} == {EVENT.encode()}


def encode_event(text: str) -> str:
    sent = decode_delivery(text)
    assert isinstance(sent, New)
    return sent.event.encode()
