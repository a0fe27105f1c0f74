"""What one host holds: how many deliveries it makes in a second, of how many at once, and how it keeps up.

Everything is measured with a new Azurite: once it has removed some thousand messages, its collector of garbage stands
still for tens of seconds, and a queue becomes slower the longer it is. So a round removes fewer, and the same storage
calls without the bridge are made for as many deliveries, in turn with it.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from local.tenant.model import Instance, Tenant
from shared.domain.events.envelope import Event
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now
from tests.integration.many import failures, publish, say
from tests.load import limits
from tests.load.figures import keep, ratio
from tests.load.stacks import fresh

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

FLOWS = 20
ROUNDS = 3
POSTS = 1_000
STEADY_FOR = 15.0  # seconds
PARTS = (0.5, 0.8)
UNLIMITED = "1000"  # deliveries to one flow in a second: it is the host that is measured


@asynccontextmanager
async def warm(flows: int) -> AsyncIterator[tuple[World, Instance]]:
    """A new stack with one host, and flows that have each had an event."""
    async with fresh(DELIVERY_RATE_PER_SECOND=UNLIMITED, CALLBACK_TIMEOUT_SECONDS="30") as (world, _):
        instance = world.instance()
        for number in range(flows):
            await world.subscribe(DATA_SOURCE_FAILED, f"flow-{number}", instance)
        await delivered(world, failures(instance, 1, name="warm"), flows)
        yield world, instance


async def delivered(world: World, events: Sequence[Event], flows: int) -> float:
    """How many deliveries of these events were made in a second, from the first event on."""
    before, count = len(world.stack.flows.calls), len(events) * flows
    began = now()
    await publish(world, events)
    await world.stack.flows.wait_until(lambda calls: len(calls) >= before + count, within=300)
    calls = world.stack.flows.calls[before:]
    assert len({(call.flow, call.event["id"]) for call in calls}) == len(calls) == count
    return count / (calls[-1].at - began).total_seconds()


async def burst(events: int, flows: int) -> float:
    async with warm(flows) as (world, instance):
        return await delivered(world, failures(instance, events), flows)


@pytest.mark.alone
@pytest.mark.parametrize(("events", "flows"), [(10, FLOWS), (40, FLOWS), (150, 1)])
async def test_one_host_beside_the_storage_calls_and_the_posts_alone(events: int, flows: int) -> None:
    body = failures(Tenant().add_instance("any", now()), 1)[0].encode().encode()
    measured: dict[str, list[float]] = {"host": [], "storage": [], "posts": []}
    for _ in range(ROUNDS):
        measured["posts"].append(await limits.posts(body, POSTS))
        measured["storage"].append(await limits.storage(body, events, flows))
        measured["host"].append(await burst(events, flows))
    what = f"{events:,} events for {flows} flows each" if flows > 1 else f"{events:,} events for one flow"
    say(f"{what}: {measured}, {ratio(measured['host'], measured['storage']):.2f} of the storage calls alone")
    keep("bursts", what, measured)
    assert ratio(measured["host"], measured["storage"]) > 0.25


@pytest.mark.alone
async def test_one_host_keeps_up_with_a_steady_stream() -> None:
    async with warm(1) as (world, instance):
        most = await delivered(world, failures(instance, 100, name="most"), 1)
        for part in PARTS:
            took = await stream(world, instance, part * most, f"at {part}")
            what = f"{part:.0%} of what it makes of 100 at once"
            say(f"{what}, {part * most:.1f}/s: p50 {statistics.median(took):.2f} s, max {max(took):.2f} s")
            keep("steady", what, {"rate": part * most, "took": took})
            # It keeps up: what came last waited no longer than what came first.
            third = len(took) // 3
            assert statistics.median(took[-third:]) < 2 * statistics.median(took[:third]) + 0.5


async def stream(world: World, instance: Instance, per_second: float, name: str) -> list[float]:
    """Have so many events in a second for a while; gives how long each took, in their order."""
    events = failures(instance, round(per_second * STEADY_FOR), name=name)
    before, sent, began = len(world.stack.flows.calls), dict[str, float](), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number, event in enumerate(events):
            await asyncio.sleep(began + number / per_second - time.monotonic())
            sent[event.id] = now().timestamp()
            tasks.create_task(publish(world, [event]))
    await world.stack.flows.wait_until(lambda calls: len(calls) >= before + len(events), within=120)
    came = {call.event["id"]: call.at.timestamp() for call in world.stack.flows.calls[before:]}
    return [round(came[id_] - at, 3) for id_, at in sent.items()]
