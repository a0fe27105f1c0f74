"""No secret is told: what a run has logged, answered, published and stored is searched at its end, and here as well."""

import base64

import pytest

from local.flows import Picky
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_nothing_tells_a_secret_and_whatever_did_would_be_seen(world: World) -> None:
    instance = world.instance()
    await world.subscribe(DATA_SOURCE_FAILED, "leaky", instance, signed=True)
    world.stack.flows.behave("leaky", Picky(1))
    await world.cycle()
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    await world.cycle()
    for path in ("/subscriptions", "/events", "/dead-letters", "/status"):
        assert (await world.stack.call("GET", path)).status == 200
    assert len((await world.stack.call("GET", "/dead-letters")).json()["value"]) >= 1
    assert await world.leaks() == set()

    settings, url = world.stack.settings, world.stack.flows.url("leaky")
    for planted, name in {
        settings["FUNCTIONS_KEY"]: "FUNCTIONS_KEY",
        settings["CALLBACK_ENCRYPTION_KEY"]: "CALLBACK_ENCRYPTION_KEY",
        url.rpartition("=")[2]: "the signature of leaky",
        settings["AzureWebJobsStorage"]: "AccountKey",
    }.items():
        world.lines.append(f"planted {planted}")
        assert name in await world.leaks()
        world.lines.remove(f"planted {planted}")  # the host goes on writing lines meanwhile
        queue = await world.storage.queues.create_queue("planted")
        await queue.send_message(base64.b64encode(f"planted {planted}".encode()).decode())
        assert name in await world.leaks()
        await queue.delete_queue()
    await world.stack.call("GET", f"/event-types/{settings['FUNCTIONS_KEY']}")  # repeats it
    assert any("FUNCTIONS_KEY" in one for one in world.stack.told)
    world.stack.told.clear()  # the run's own search is not to find what was planted


async def test_a_message_that_waits_for_the_bridge_holds_no_secret(world: World) -> None:
    instance = world.instance()
    made = await world.subscribe(DATA_SOURCE_FAILED, "waited-for", instance, signed=True)
    await world.cycle()
    await world.restart(**{"AzureWebJobs.deliver.Disabled": "true"})
    try:
        instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
        assert await world.poll()

        async def waits() -> bool:
            return any(made["id"] in message for message in await world.storage.messages("deliveries"))

        await until(waits)
        assert await world.leaks() == set()
    finally:
        await world.restart()
    await world.settle()
    assert len(world.stack.flows.of("waited-for")) == 1
