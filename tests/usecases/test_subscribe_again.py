"""Subscribing again, and ending: what becomes of what is held, and of who gets no answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.deliveries import Delivery, New, Stage
from shared.domain.triggers import TRIGGERS
from shared.errors import TransientError
from tests.fakes import NOON, Death
from tests.usecases import world as deliveries
from tests.usecases.test_subscribe import SOURCE, World, wish

STOPPED = ["suspended", "failing", "paused"]


def stop(world: Any, subscription_id: str, status: Any) -> None:  # noqa: ANN401 - a status
    """Have a subscription stand as one that takes no events."""
    rows = (world.store if isinstance(world, World) else world.subscriptions).rows
    old, version = rows[subscription_id]
    stopped = replace(old, status=status, status_reason="HTTP 410", status_since=NOON, failures=9, failing_since=NOON)
    rows[subscription_id] = stopped, version


@pytest.mark.parametrize("status", STOPPED)
async def test_subscribing_again_makes_it_active_with_nothing_held_against_it(status: str) -> None:
    world = World()
    taken = (await world.subscribe(wish())).subscription
    stop(world, taken.id, status)
    world.clock.advance(timedelta(hours=1))
    again = (await world.subscribe(wish())).subscription
    assert world.store.rows[again.id][0] == replace(again, owed=())
    assert (again.id, again.status, again.status_reason) == (taken.id, "active", None)
    assert (again.failures, again.failing_since, again.status_since) == (0, None, world.clock())


async def test_subscribing_again_to_an_active_one_lets_it_go_on() -> None:
    world = World()
    taken = (await world.subscribe(wish())).subscription
    old, version = world.store.rows[taken.id]
    busy = replace(old, failures=2, failing_since=NOON, release_at=NOON, leased_until=NOON + timedelta(seconds=9))
    world.store.rows[taken.id] = busy, version
    world.clock.advance(timedelta(hours=1))
    world.store.table.calls.clear()
    again = (await world.subscribe(wish())).subscription
    assert (again.release_at, again.leased_until, again.status_since) == (NOON, busy.leased_until, taken.created_at)
    assert (again.failures, again.updated_at) == (0, world.clock())
    assert world.store.table.calls.count("replace") == 1
    assert not set(world.store.table.calls) & {"put", "insert", "delete"}
    assert world.releases.messages == []


@pytest.mark.parametrize("status", STOPPED)
@pytest.mark.parametrize("url", [deliveries.URL, deliveries.URL + "2"])
async def test_subscribing_again_lets_out_what_was_held_oldest_first(status: str, url: str) -> None:
    # The same callback, or another one under the same id.
    events = [deliveries.event_of(number) for number in range(5)]
    world = deliveries.World(of=deliveries.subscription(status="paused"), events=events)
    await world.run()
    assert set(world.stages()) == {Stage.HELD}
    stop(world, "s1", status)
    world.callbacks.answers = {}
    asked = wish("data-source-refresh-succeeded", url)
    taken = await world.subscribe(asked, None if url == deliveries.URL else "s1")
    assert (taken.subscription.id, taken.created, taken.subscription.status) == ("s1", False, "active")
    await world.run()
    assert [request[0] for request in world.callbacks.requests] == [url] * 5
    assert [request[2]["webhook-id"] for request in world.callbacks.requests] == [event.id for event in events]


async def test_who_gets_no_answer_is_not_shown_as_served() -> None:
    for number in range(3):
        world = World()
        failing = {"put": [None] * number + [TransientError("busy")], "insert": [TransientError("busy")]}
        world.store.table.failures = failing
        with pytest.raises(TransientError):
            await world.subscribe(wish(), "mine")
        assert world.ids() == set()


async def test_ending_forgets_what_is_held() -> None:
    world = World()
    taken = await world.subscribe(wish())
    await hold(world, taken.subscription.id)
    await world.unsubscribe.by_token(taken.token)
    assert (world.ids(), world.deliveries.rows) == (set(), {})


async def test_ending_again_ends_what_a_death_has_left() -> None:
    for by_id in (False, True):
        for deadly in range(20):
            world = World()
            taken = await world.subscribe(wish())
            await hold(world, taken.subscription.id)
            end = (
                (lambda: world.unsubscribe.by_id(TRIGGERS[SOURCE], taken.subscription.id))  # noqa: B023 - run at once
                if by_id
                else (lambda: world.unsubscribe.by_token(taken.token))  # noqa: B023
            )
            world.fate.deadly, world.fate.steps = deadly, 0
            try:
                await end()
            except Death:
                assert bool(world.deliveries.rows) >= bool(world.ids())
                await end()
            assert (world.ids(), world.deliveries.rows) == (set(), {})
            if world.fate.steps <= deadly:
                break


async def hold(world: World, subscription_id: str) -> None:
    for number in range(3):
        new = New(subscription_id, deliveries.event_of(number), NOON)
        await world.deliveries.put(Delivery.held(new, NOON))
    world.clock.advance(timedelta(seconds=1))


async def test_ending_forgets_nothing_that_is_held_for_one_made_under_the_same_id_since() -> None:
    world = World()
    taken = await world.subscribe(wish(), "mine")
    await hold(world, "mine")

    async def make_anew() -> None:
        """What others do between the end and the forgetting."""
        world.store.before_write = None
        world.clock.advance(timedelta(seconds=1))
        new = New("mine", deliveries.event_of(9), world.clock())
        await world.deliveries.put(Delivery.held(new, world.clock()))

    world.store.before_write = make_anew
    await world.unsubscribe.by_token(taken.token)
    assert [delivery.event.id for delivery, _ in world.deliveries.rows.values()] == [deliveries.event_of(9).id]
