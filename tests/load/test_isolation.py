"""A healthy flow's first attempt comes at once, whatever becomes of the others: measured in the local stack."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import batched

import pytest

from local.tenant.model import Instance
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, until
from tests.integration.many import AT_ONCE, Always, change, failures, held, publish, say
from tests.load.figures import keep
from tests.load.stacks import fresh

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

LIMIT = 2.0  # seconds
EVERY = 0.5  # seconds between two of the healthy flow's events
WAITING = 400
MANY = 1_000


@asynccontextmanager
async def measured(world: World, flow: str, what: str) -> AsyncIterator[list[float]]:
    """Have an event for a healthy flow again and again within the block; yields what each took, once it is over."""
    instance, sent, took = world.instance(), dict[str, float](), list[float]()
    await world.subscribe(DATA_SOURCE_FAILED, flow, instance)

    is_over = False

    async def keep_on() -> None:
        for event in failures(instance, 10_000):
            if is_over:
                return
            sent[event.id] = now().timestamp()
            await publish(world, [event])
            await asyncio.sleep(EVERY)

    keeping = asyncio.create_task(keep_on())
    yield took
    is_over = True
    await keeping

    async def all_came() -> bool:
        return len(world.stack.flows.of(flow)) >= len(sent)

    await until(all_came, within=120)
    first: dict[str, float] = {}
    for call in world.stack.flows.of(flow):
        first.setdefault(call.event["id"], call.at.timestamp())
    took += [round(first[id_] - at, 3) for id_, at in sent.items()]
    keep("beside", what, {"took": took})
    say(f"a healthy flow beside {what}: {len(took)} events, p50 {statistics.median(took):.2f} s, max {max(took):.2f} s")


@pytest.mark.alone
async def test_a_slow_flow_with_many_waiting_delays_nobody() -> None:
    async with fresh() as (world, swept):
        instance, flow = world.instance(), "slow"
        made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
        await change(world, made["id"], "paused")
        await publish(world, failures(instance, WAITING))
        await held(world, made["id"], WAITING)
        world.stack.flows.behave(flow, Always(202, after=1.5))
        await swept()
        async with measured(world, "beside-slow", f"one that takes 1.5 s and has {WAITING} waiting") as took:
            await change(world, made["id"], "active")
            await asyncio.sleep(15)
    assert max(took) < LIMIT


async def subscribed(world: World, instance: Instance, prefix: str, behaviour: Always) -> Sequence[str]:
    """A thousand flows that behave so; gives their names."""
    names = [f"{prefix}-{number}" for number in range(MANY)]
    for some in batched(names, AT_ONCE, strict=False):
        await asyncio.gather(*(world.subscribe(DATA_SOURCE_FAILED, name, instance) for name in some))
    for name in names:
        world.stack.flows.behave(name, behaviour)
    return names


@pytest.mark.alone
@pytest.mark.parametrize("after", [0, 5], ids=["by an error", "by a time-out"])
async def test_a_thousand_flows_that_fail_at_once_delay_nobody(after: float) -> None:
    async with fresh(DELIVERY_RETRY_SECONDS="10,30,60") as (world, swept):
        instance = world.instance()
        names = await subscribed(world, instance, f"failing-{after}", Always(503, after=after))
        await swept()
        what = f"{MANY:,} that fail {'by a time-out of 2 s' if after else 'at once'}"
        async with measured(world, f"beside-failing-{after}", what) as took:
            await asyncio.sleep(2)
            await publish(world, failures(instance, 1))
            await asyncio.sleep(30)
        firsts = sorted(world.stack.flows.of(name)[0].at for name in names)
        say(f"the first attempts of all were made within {(firsts[-1] - firsts[0]).total_seconds():.0f} s")
    assert max(took) < LIMIT
