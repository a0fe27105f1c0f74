"""The operations on real storage: what is shown of polls, events, deliveries and dead letters, and how it is mended."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from local.flows import Answer, Call, Healthy
from local.tenant.model import Instance
from shared.domain.events.data_sources import DataSourceRefreshFailed
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, shown, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILURES = 5
QUEUES = {"events", "deliveries", "releases", "polls", "eventsPoison", "deliveriesPoison"}


class Rejecting:
    """Refuses what it gets, for good."""

    def answer(self, attempt: int) -> Answer:
        del attempt
        return Answer(400, error_code="TriggerInputSchemaMismatch", error_message="The input body does not fit.")


async def pages(world: World, address: str) -> AsyncIterator[list[Any]]:
    """A list, page by page, as a caller follows it."""
    path: str | None = address
    while path is not None:
        page = shown(await world.stack.call("GET", path))
        yield page["value"]
        link = page.get("nextLink")
        assert link is None or link.startswith(world.stack.url)
        path = link and link.removeprefix(world.stack.url)


async def all_of(world: World, address: str) -> list[Any]:
    return [one async for page in pages(world, address) for one in page]


async def accepted(world: World, flow: str, count: int) -> list[Call]:
    """What a flow has taken, once it is so many."""

    async def calls() -> list[Call] | None:
        found = [call for call in world.stack.flows.of(flow) if call.accepted]
        return found if len(found) >= count else None

    return list(await until(calls))


@pytest_asyncio.fixture(loop_scope="session")
async def instance(world: World) -> Instance:
    made = world.instance()
    await world.cycle()
    return made


async def failures(world: World, instance: Instance) -> list[str]:
    """A data source fails so many times in a row; gives when."""
    source, began = instance.data_source("Web").id, now() - timedelta(minutes=FAILURES)
    for number in range(FAILURES):
        at = began + timedelta(minutes=number)
        instance.refresh_data_source(source, ok=False, at=at, took=timedelta(seconds=1))
    await world.cycle()
    events = await all_of(world, f"/events?instanceId={instance.id}&type={DataSourceRefreshFailed.event_type}&limit=2")
    assert len(events) == FAILURES
    return [event["id"] for event in events]


async def test_what_is_held_is_listed_page_by_page_and_goes_out_in_order(world: World, instance: Instance) -> None:
    subscription = await world.subscribe(DATA_SOURCE_FAILED, "held", instance)
    here = f"/subscriptions/{subscription['id']}"
    assert (await world.stack.call("PATCH", here, {"status": "paused"})).status == 200
    ids = await failures(world, instance)
    sizes = [len(page) async for page in pages(world, f"{here}/deliveries?limit=2&stage=held")]
    assert sizes == [2, 2, 1]
    assert [one["eventId"] for one in await all_of(world, f"{here}/deliveries?limit=3")] == ids
    assert shown(await world.stack.call("GET", "/status"))["held"]["count"] >= FAILURES
    assert (await world.stack.call("PATCH", here, {"status": "active"})).status == 200
    calls = await accepted(world, "held", FAILURES)
    assert [call.event["id"] for call in calls] == ids[::-1]
    await world.settle()
    event = shown(await world.stack.call("GET", f"/events/{ids[0]}"))
    assert event["id"] == ids[0]
    assert [(one["subscriptionId"], one["stage"]) for one in event["deliveries"]] == [(subscription["id"], "delivered")]


async def test_dead_letters_are_delivered_all_the_same_or_given_up(world: World, instance: Instance) -> None:
    world.stack.flows.behave("picky", Rejecting())
    subscription = await world.subscribe(DATA_SOURCE_FAILED, "picky", instance)
    ids = await failures(world, instance)
    list_them = f"/dead-letters?subscriptionId={subscription['id']}&limit=2"
    await world.settle()
    letters = await all_of(world, list_them)
    assert len(letters) == FAILURES
    assert {letter["eventId"] for letter in letters} == set(ids)
    world.stack.flows.behave("picky", Healthy())
    first, second, *_ = letters
    assert shown(await world.stack.call("GET", f"/dead-letters/{first['id']}"))["event"]["id"] == first["eventId"]
    assert (await world.stack.call("DELETE", f"/dead-letters/{first['id']}")).status == 204
    assert (await world.stack.call("POST", f"/dead-letters/{second['id']}/redeliver")).status == 202
    redelivered = await world.stack.call("POST", "/dead-letters/redeliver", {"subscriptionId": subscription["id"]})
    assert (redelivered.status, redelivered.json()) == (202, {"count": FAILURES - 2})
    calls = await accepted(world, "picky", FAILURES - 1)
    assert {call.event["id"] for call in calls} == set(ids) - {first["eventId"]}
    assert await all_of(world, list_them) == []


async def test_a_family_that_cannot_be_polled_shows_in_the_status(world: World, instance: Instance) -> None:
    world.api.faults.add(f"/instances/{instance.id}/manage/segments", status=503, times=99)
    assert not await world.stack.run_timer("poll_thresholds")
    status = shown(await world.stack.call("GET", "/status"))
    (one,) = [one for one in status["instances"] if one["instanceId"] == instance.id]
    families = {family["family"]: family for family in one["families"]}
    assert set(families) == {"jobs", "dataSources", "segments", "measures"}
    assert families["segments"]["failingSince"] <= families["segments"]["lastPollAt"]
    assert status["timers"]["polledAt"] <= families["segments"]["lastPollAt"]  # it is when the run began
    assert families["segments"]["error"]
    assert "failingSince" not in families["jobs"]
    assert set(status["queues"]) == QUEUES


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/subscriptions/a%2Fb"),
        ("GET", "/subscriptions/none/deliveries"),
        ("GET", "/events/a%2Fb%23"),
        ("GET", "/dead-letters/a%2Fb%3F"),
        ("DELETE", "/dead-letters/none"),
        ("POST", "/dead-letters/none/redeliver"),
    ],
)
async def test_what_is_not_there_is_not_found(world: World, method: str, path: str) -> None:
    assert (await world.stack.call(method, path)).status == 404


@pytest.mark.parametrize("of", ["/events", "/dead-letters"])
async def test_a_cursor_of_another_list_is_refused(world: World, instance: Instance, of: str) -> None:
    subscription = await world.subscribe(DATA_SOURCE_FAILED, "cursor", instance)
    await failures(world, instance)
    here = f"/subscriptions/{subscription['id']}/deliveries?limit=1"
    link = shown(await world.stack.call("GET", here))["nextLink"]
    answer = await world.stack.call("GET", f"{of}?cursor={link.partition('cursor=')[2]}")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "cursor")
