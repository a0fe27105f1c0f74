"""Backlogs on real storage: held, let out in order and at the rate, whatever becomes of the flow meanwhile."""

import asyncio
import random

import pytest

from local.flows import Healthy
from local.tenant.model import Instance
from tests.integration.conftest import DATA_SOURCE_FAILED, World, until
from tests.integration.many import (
    MAX_UNDER_WAY,
    Always,
    another_host,
    change,
    failures,
    heard,
    held,
    lead,
    publish,
    status,
    taken,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def paused(world: World, flow: str, instance: Instance) -> str:
    """A subscription that is paused; gives its id."""
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    await change(world, made["id"], "paused")
    return str(made["id"])


async def test_what_is_held_goes_out_once_and_in_order_though_paused_between_and_by_two_hosts(world: World) -> None:
    instance, flow = world.instance(), "resumed"
    id_ = await paused(world, flow, instance)
    events = failures(instance, 60)
    mixed = random.Random(7).sample(events, len(events))  # noqa: S311 - the same order in every run
    async with another_host(world):
        await publish(world, mixed)
        await held(world, id_, len(events))
        assert world.stack.flows.of(flow) == []
        await change(world, id_, "active")
        await heard(world, flow, events[:15], within=30)
        await change(world, id_, "paused")
        before = len(taken(world, flow))
        await asyncio.sleep(3)
        while_paused = len(taken(world, flow))
        await change(world, id_, "active")
        calls = await heard(world, flow, events, within=60)
        await world.settle()
    assert while_paused <= before + 2 * MAX_UNDER_WAY + 1  # what had begun, and the page that was being let out
    assert while_paused < len(events)
    assert len(calls) == len(taken(world, flow)) == len(events)
    assert lead(calls) <= MAX_UNDER_WAY
    await held(world, id_, 0)


async def test_a_failing_flow_is_tried_with_its_oldest_event_and_gets_the_rest_when_it_recovers(world: World) -> None:
    instance, flow = world.instance(), "recovers"
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    world.stack.flows.behave(flow, Always(503))
    events = failures(instance, 12)
    await publish(world, events)
    await status(world, made["id"], "failing")

    async def do_all_wait() -> bool:  # held, but for the oldest, and what was the oldest until an older one came
        listed = (await world.stack.call("GET", f"/subscriptions/{made['id']}/deliveries?limit=50")).json()["value"]
        return len(listed) == len(events) and {each["stage"] for each in listed} <= {"held", "waiting"}

    await until(do_all_wait, within=60)
    await asyncio.sleep(2)  # what was under way has ended
    before = len(world.stack.flows.of(flow))
    await asyncio.sleep(7)
    probes = world.stack.flows.of(flow)[before:]
    assert {call.event["id"] for call in probes} == {events[0].id}
    assert 2 <= len(probes) <= 7
    world.stack.flows.behave(flow, Healthy())
    calls = await heard(world, flow, events, within=30)
    await status(world, made["id"], "active")
    await world.settle()
    assert len(calls) == len(taken(world, flow)) == len(events)
    assert calls[0].event["id"] == events[0].id
    assert lead(calls) <= MAX_UNDER_WAY


async def test_unsubscribing_drops_what_is_held(world: World) -> None:
    instance, flow = world.instance(), "dropped"
    id_ = await paused(world, flow, instance)

    async def rows() -> int:
        found = await world.storage.rows("deliveries")
        return sum(row["PartitionKey"] == id_ and row.get("stage") == "held" for row in found)

    await publish(world, failures(instance, 10))
    await held(world, id_, 10)
    assert await rows() == 2 * 10  # each has a place in the line, too
    assert (await world.stack.call("DELETE", f"/subscriptions/{id_}")).status == 204
    again = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    assert (again["held"], again["status"]) == (0, "active")
    assert await rows() == 0
    await asyncio.sleep(1)
    assert world.stack.flows.of(flow) == []
