"""The host is killed again and again in the middle of its work, and nothing is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from local.flows import Slow
from local.tenant.life import Ended, Evaluated, LivelyTenant, Occurrence, contoso
from local.tenant.life.occurrences import STAGE_ENDED
from local.tenant.life.retailer import GOLD, REVENUE
from tests.integration.conftest import (
    DATA_SOURCE_FAILED,
    DATA_SOURCE_SUCCEEDED,
    EVERY_SECOND,
    MEASURE,
    SEGMENT,
    STAGE,
    SYSTEM,
    UNIFICATION,
    World,
    events_of,
    now,
    until,
)
from tests.integration.many import unexplained

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 4  # for each seed


THRESHOLDS: Mapping[str, Decimal] = {f"segments/{GOLD}": Decimal(9_460), f"measures/{REVENUE}": Decimal(74_153)}
WISHES: Mapping[str, Mapping[str, object]] = {
    DATA_SOURCE_FAILED: {},
    DATA_SOURCE_SUCCEEDED: {},
    SYSTEM: {},
    UNIFICATION: {},
    STAGE: {},
    SEGMENT: {"segmentName": GOLD, "threshold": 9_460, "direction": "either"},
    MEASURE: {"measureName": REVENUE, "threshold": 74_153, "direction": "either"},
}


def expected(occurrences: list[Occurrence]) -> Counter[tuple[str, str]]:
    """How often a flow must hear of which subject, by type."""
    found: Counter[tuple[str, str]] = Counter()
    for each in occurrences:
        match each:
            case Ended():
                found[each.event_type, each.subject] += 1
            case Evaluated() if (threshold := THRESHOLDS.get(each.subject)) is not None:
                if each.previous <= threshold < each.value or each.previous >= threshold > each.value:
                    found[each.event_type, each.subject] += 1
    return found


def subject(event: Mapping[str, Any]) -> str:
    """What an event is of, as the tenant names it: a stage is told apart by its name, whichever job it is of."""
    return f"stages/{event['data']['stage']}" if event["type"] == STAGE_ENDED else event["subject"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_at_any_moment_lose_nothing(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same moments in every run
    flows = world.stack.flows
    made = contoso(now()).instance
    world.api.tenant.instances[made.id] = made
    mine = {trigger: f"kill-{seed}-{trigger}" for trigger in WISHES}
    async for blob in world.storage.blobs.get_container_client("checkpoints").list_blobs(name_starts_with=made.id):
        await world.storage.blobs.get_blob_client("checkpoints", blob.name).delete_blob()
    await world.cycle()
    for trigger, filters in WISHES.items():
        await world.subscribe(trigger, mine[trigger], made, **filters)
    await world.poll()
    every_second = {"POLL_REFRESHES_SCHEDULE": EVERY_SECOND, "POLL_THRESHOLDS_SCHEDULE": EVERY_SECOND}
    await world.restart(**every_second)
    occurrences: list[Occurrence] = []
    killed: list[datetime] = []
    tenant = LivelyTenant(made, random.Random(seed))  # noqa: S311 - the same life in every run
    life = asyncio.create_task(live(tenant, occurrences))
    try:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.05, 1.6))
            await world.stack.kill_host()
            killed.append(now())
            await world.stack.start_host(**every_second)
    finally:
        life.cancel()
    wanted = expected(occurrences)

    def heard() -> tuple[Counter[tuple[str, str]], int]:
        events = [event for flow in mine.values() for event in events_of(flows.of(flow))]
        unique = {event["id"]: (event["type"], subject(event)) for event in events}
        return Counter(unique.values()), len(events) - len(unique)

    async def complete() -> bool:
        return wanted <= heard()[0]

    try:
        await until(complete, within=30)
    except AssertionError:
        assert heard()[0] == wanted
    await world.settle()
    await world.restart()
    await world.cycle()
    found, repeats = heard()
    print(f"kills: {KILLS}, occurrences: {wanted.total()}, repeats: {repeats}")  # noqa: T201 - the figures
    assert found == wanted
    for flow in mine.values():
        assert unexplained(flows.of(flow), killed) == []
    bodies: dict[tuple[str, str], set[bytes]] = {}
    for flow in mine.values():
        for call in flows.of(flow):
            bodies.setdefault((flow, call.event["id"]), set()).add(call.body)
    assert all(len(each) == 1 for each in bodies.values())


async def live(tenant: LivelyTenant, occurrences: list[Occurrence]) -> None:
    """Let something happen again and again, each time after what happened before has ended."""
    while True:
        occurrences += tenant.happen(now()).makes
        await asyncio.sleep(1.01)


async def test_a_kill_while_the_flow_is_called_repeats_the_same_event(world: World) -> None:
    instance, flows = world.instance(), world.stack.flows
    await world.subscribe(DATA_SOURCE_FAILED, "cut", instance)
    flows.behave("cut", Slow(times=1, seconds=1))
    await world.cycle()
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    assert await world.poll()
    await flows.wait_until(lambda _: len(flows.of("cut")) == 1, within=10)
    await world.stack.kill_host()
    await world.stack.start_host()
    await flows.wait_until(lambda _: len(flows.of("cut")) == 2, within=15)
    await world.settle()
    first, second = flows.of("cut")
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
