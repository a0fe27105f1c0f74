"""What a delivery costs, counted between the app and its storage."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.conftest import DATA_SOURCE_FAILED, VISIBILITY, World, started
from tests.integration.many import failures, heard, publish, say
from tests.integration.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 10
TABLES = {"subscriptions", "deliveries", "due"}


@pytest_asyncio.fixture(loop_scope="session")
async def quiet() -> AsyncIterator[World]:
    """A stack of its own: nothing is left there of what others have begun."""
    async with started(VISIBILITY) as world:
        await world.stack.start_host()
        yield world


async def test_a_delivery_that_goes_straight_through_is_one_read_two_writes_and_its_message(quiet: World) -> None:
    world = quiet
    instance, flow = world.instance(), "straight"
    await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
    first, *events = failures(instance, COUNT + 1)
    async with (
        Wire.before("Table", world.stack.settings["AzureWebJobsStorage"]) as (tables, half_way),
        Wire.before("Queue", half_way) as (queues, connection),
    ):
        await world.restart(AzureWebJobsStorage=connection)
        try:
            await publish(world, [first])  # tables are made, connections opened
            await heard(world, flow, [first], within=30)
            await world.settle()
            tables.calls.clear()
            queues.calls.clear()
            for event in events:
                await publish(world, [event])
                await asyncio.sleep(1)
            await heard(world, flow, events, within=30)
            await world.settle()
            seen, sent = tables.calls.copy(), queues.calls["POST", "deliveries"]
        finally:
            await world.restart()
    made = {call: count for call, count in seen.items() if call[1] in TABLES or call[1] == "$batch"}
    say(f"{COUNT} deliveries: {made}, {sent} messages")
    del made["QUERY", "subscriptions"]  # who wants an event is asked once for all of them
    made.pop(("QUERY", "due"), None)  # a timer's
    assert made == {("GET", "subscriptions"): COUNT, ("POST", "deliveries"): COUNT, ("PUT", "deliveries"): COUNT}
    assert sent == COUNT
