"""Dispatch: one delivery for each subscription that wants the event, and no event lost."""

import base64
import json
from datetime import timedelta

import pytest

from shared.domain.deliveries import Delivery
from shared.domain.subscriptions import Subscription
from shared.errors import TooLargeError
from shared.usecases.bury import Bury
from shared.usecases.dispatch import Dispatch
from tests.fakes import (
    ClockFake,
    DeadLetterLogFake,
    Death,
    DeliveryQueueFake,
    EventLogFake,
    Fate,
    SubscriptionStoreFake,
)
from tests.usecases.world import EVENT, subscription


class World:
    def __init__(self, *subscriptions: Subscription) -> None:
        self.clock = ClockFake()
        self.fate = Fate()
        self.subscriptions = SubscriptionStoreFake(*subscriptions, fate=self.fate)
        self.queue = DeliveryQueueFake(self.clock, self.fate)
        self.events = EventLogFake(self.fate)
        self.graveyard = DeadLetterLogFake(self.fate)
        self.dispatch = Dispatch(
            subscriptions=self.subscriptions,
            events=self.events,
            queue=self.queue,
            bury=Bury(letters=self.graveyard, clock=self.clock),
            clock=self.clock,
        )

    def sent(self) -> list[str]:
        return sorted(Delivery.decode(text).subscription_id for text in self.queue.due())


WANTING = subscription(id_="a"), subscription(id_="b", dataSourceId="d1")
OTHERS = (
    subscription(id_="c", dataSourceId="d2"),
    subscription(id_="d", slug="data-source-refresh-failed"),
    subscription(id_="e", status="paused"),
    subscription(id_="f", status="suspended"),
)


async def test_every_subscription_that_wants_the_event_gets_a_delivery() -> None:
    world = World(*WANTING, *OTHERS)
    await world.dispatch(EVENT.encode())
    assert world.sent() == ["a", "b"]
    sent = Delivery.decode(world.queue.due()[0])
    assert (sent.event.raw, sent.attempt, sent.dispatched_at) == (EVENT.raw, 1, world.clock())
    assert list(world.events.events) == [EVENT.id]


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


async def test_a_delivery_too_large_for_a_message_is_a_dead_letter_and_the_others_are_sent() -> None:
    world = World(*WANTING)
    world.queue.failures.append(TooLargeError("too large"))
    await world.dispatch(EVENT.encode())
    (letter,) = world.graveyard.letters.values()
    assert letter.event_id == EVENT.id
    assert sorted([str(letter.subscription_id), *world.sent()]) == ["a", "b"]


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
        assert {Delivery.decode(text).event.encode() for text in world.queue.due()} == {EVENT.encode()}
