"""The host is killed while a backlog goes out or is filled by hand: nothing is lost, and repeats lie across a death."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import aiohttp
import pytest

from local.flows import Healthy
from shared.domain.events.envelope import Event
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, until
from tests.integration.many import (
    MAX_UNDER_WAY,
    Always,
    change,
    failures,
    heard,
    held,
    lead,
    publish,
    say,
    taken,
    unexplained,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

# A lease that a dead run has left ends after 44 s here, and a timer looks each minute.
WITHIN = 150


async def die(world: World) -> datetime:
    """Kill the host, and start it again."""
    await world.stack.kill_host()
    at = now()
    await world.stack.start_host()
    return at


async def complete(world: World, flow: str, events: Sequence[Event], killed: Sequence[datetime]) -> None:
    """All have come, in order, and again only where a death lies between."""
    calls = await heard(world, flow, events, within=WITHIN)
    await world.settle(within=60)
    calls = taken(world, flow)
    repeats = len(calls) - len(events)
    say(f"{flow}: {len(events)} events, {len(killed)} deaths, {repeats} repeats")
    assert unexplained(calls, killed) == []
    assert repeats <= len(killed) * MAX_UNDER_WAY
    assert {call.event["id"] for call in calls} == {event.id for event in events}


async def ask(world: World, path: str, body: object, *, die_after: float) -> datetime | None:
    """Make a request that fills a backlog, kill the host meanwhile, and make it again until it is answered."""
    asked = asyncio.create_task(world.stack.call("POST", path, body))
    await asyncio.sleep(die_after)
    killed = await die(world)
    with contextlib.suppress(aiohttp.ClientError):
        await asked
    answer = await world.stack.call("POST", path, body)
    assert answer.status == 202, answer.body
    return killed


async def test_a_release_that_is_killed_goes_on(world: World) -> None:
    instance, flow = world.instance(), "killed-release"
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    await change(world, made["id"], "paused")
    events = failures(instance, 90)
    await publish(world, events)
    await held(world, made["id"], len(events))
    await change(world, made["id"], "active")
    await heard(world, flow, events[:30], within=WITHIN)
    await complete(world, flow, events, [await die(world)])
    assert lead(taken(world, flow)) <= MAX_UNDER_WAY


@pytest.mark.parametrize("die_after", [0.05, 0.3])
async def test_a_replay_that_is_killed_and_asked_for_again_is_complete(world: World, die_after: float) -> None:
    instance, flow = world.instance(), f"killed-replay-{die_after}"
    await world.subscribe(DATA_SOURCE_FAILED, f"{flow}-before", instance)
    events = failures(instance, 40)
    await publish(world, events)
    await heard(world, f"{flow}-before", events, within=60)
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    wanted = {"since": (now() - timedelta(hours=1)).isoformat()}
    killed = await ask(world, f"/subscriptions/{made['id']}/replay", wanted, die_after=die_after)
    assert killed
    await complete(world, flow, events, [killed])
    dry = await world.stack.call("POST", f"/subscriptions/{made['id']}/replay", {**wanted, "dryRun": True})
    assert (dry.status, dry.json()) == (200, {"count": 0})


@pytest.mark.parametrize("die_after", [0.05, 0.3])
async def test_dead_letters_redelivered_in_spite_of_a_kill_all_come(world: World, die_after: float) -> None:
    instance, flow = world.instance(), f"killed-redelivery-{die_after}"
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    world.stack.flows.behave(flow, Always(422))
    events = failures(instance, 30)
    await publish(world, events)

    async def letters() -> int:
        answer = await world.stack.call("GET", f"/dead-letters?subscriptionId={made['id']}&limit=500")
        return len(answer.json()["value"])

    async def are_dead() -> bool:
        return await letters() == len(events)

    await until(are_dead, within=60)
    await world.settle()
    world.stack.flows.behave(flow, Healthy())
    killed = await ask(world, "/dead-letters/redeliver", {"subscriptionId": made["id"]}, die_after=die_after)
    assert killed
    await complete(world, flow, events, [killed])
    assert await letters() == 0


async def test_one_delivery_sent_again_in_spite_of_a_kill_comes_once_more(world: World) -> None:
    instance, flow = world.instance(), "killed-by-hand"
    made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    events = failures(instance, 1)
    await publish(world, events)
    await heard(world, flow, events, within=30)
    await world.settle()
    path = f"/subscriptions/{made['id']}/deliveries/{events[0].id}/redeliver"
    assert (await world.stack.call("POST", path)).status == 202
    killed = await die(world)

    async def came_again() -> bool:
        return len(taken(world, flow)) >= 2

    await until(came_again, within=60)
    await world.settle()
    first, second, *more = taken(world, flow)
    assert first.body == second.body
    assert not more or unexplained([second, *more], [killed]) == []
