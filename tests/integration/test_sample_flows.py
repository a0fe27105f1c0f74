"""The sample flows against the running bridge: turned on as the platform does, called, and turned off again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from local.tenant.model import Instance
from local.tenant.records import INGESTION, SUCCESSFUL, Failure, Step
from local.tenant.runs import Plan, run_full_refresh
from shared.domain.polls import MIN_FAILURES
from tests.flows.definitions import NAMES, Definition
from tests.flows.power_automate import CHOSEN, CloudFlow, Request
from tests.integration.conftest import World, events_of, now

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOK = timedelta(milliseconds=200)  # runs follow each other closely here, and do not overlap
TOO_OLD = timedelta(hours=30)  # more than the sample allows
SYNC = Step("dataverseHydration", "dataverseHydration", "Sync to Dataverse")
BROKEN = Failure("IngestionSchema", "The column <id> is missing & needed.")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def told_of_failures_at_once(running: World) -> AsyncIterator[None]:
    """The bridge tells of polls that fail as soon as three in a row have."""
    await running.restart(POLLING_FAILED_AFTER_SECONDS="0.001")
    yield
    await running.restart()


def an_instance(world: World) -> Instance:
    """An instance that was idle for longer than the samples allow, with a data source that was never refreshed."""
    made = world.instance(idle=2 * TOO_OLD)
    made.add_data_source("Cases", now(), refreshed=False)
    return made


@dataclass
class Deployed:
    """A sample flow in an environment of its own, with the bridge's host and key."""

    world: World
    definition: Definition
    flow: str

    async def turn_on(self) -> int:
        return await self.send(self.definition.subscribe(self.world.stack.flows.url(self.flow)))

    async def turn_off(self) -> int:
        return await self.send(self.definition.unsubscribe())

    def bodies(self) -> Sequence[Mapping[str, Any]]:
        """What the flow was called with."""
        return events_of(self.world.stack.flows.of(self.flow))

    async def send(self, request: Mapping[str, Any]) -> int:
        # The request and nothing else, only without TLS, which the stack does not speak.
        assert request["uri"].startswith("https://")
        address = URL(request["uri"].replace("https://", "http://", 1), encoded=True)
        body = request.get("body")
        async with (
            aiohttp.ClientSession() as session,
            session.request(request["method"], address, headers=request["headers"], json=body) as answer,
        ):
            return answer.status


def deploy(world: World, name: str, instance: Instance, **values: object) -> Deployed:
    own = f"{name}-{uuid4().hex[:8]}"
    host = URL(world.stack.url).authority
    key = world.stack.settings["FUNCTIONS_KEY"]
    given = {"bridgeHost": host, "bridgeKey": key, "subscriptionId": own, "instanceId": instance.id}
    source = {"dataSourceId": instance.data_source("Cases").id}
    return Deployed(world, Definition(name, **{**given, **source, **values}), own)


def fail_web_shop(instance: Instance) -> None:
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now(), error=BROKEN)


def raise_segment(instance: Instance) -> None:
    """Let the segment cross 1,000 upwards, wherever it stands."""
    instance.evaluate_segment("Big_Spenders", 990, now())
    instance.evaluate_segment("Big_Spenders", 1030, now())


def refresh_fully(instance: Instance) -> None:
    run_full_refresh(instance, now(), took=TOOK)


def sync_to_dataverse(instance: Instance) -> None:
    instance.workflow.note(SYNC, SUCCESSFUL, now())


def show_an_old_refresh(instance: Instance) -> None:
    """Let the tenant tell only now of a refresh so long ago that its data source is overdue already."""
    instance.refresh_data_source(instance.data_source("Cases").id, ok=True, at=now() - TOO_OLD, took=TOOK)


async def fail_polls(world: World, instance: Instance) -> None:
    """Refuse the bridge the data sources for as many polls as it takes to tell of it."""
    sources = f"{instance.id}/manage/datasources"
    world.api.faults.add(sources, times=1000, status=403)
    for _ in range(MIN_FAILURES):
        assert not await world.poll()
    world.api.faults.end(sources)


type Occurrence = Callable[[World, Instance], Awaitable[None]]


def in_tenant(occur: Callable[[Instance], None]) -> Occurrence:
    """What happens in the tenant alone."""

    async def occurs(_: World, instance: Instance) -> None:
        occur(instance)

    return occurs


OCCURRENCES: Mapping[str, Occurrence] = {
    "refresh-failed-to-teams": in_tenant(fail_web_shop),
    "segment-crossed-to-mail": in_tenant(raise_segment),
    "full-refresh-starts-next-job": in_tenant(refresh_fully),
    "dataverse-sync-refreshes-report": in_tenant(sync_to_dataverse),
    "source-overdue-opens-ticket": in_tenant(show_an_old_refresh),
    "polling-failed-to-teams": fail_polls,
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_flow_is_called_from_turning_on_to_turning_off(world: World, name: str) -> None:
    instance, occur = an_instance(world), OCCURRENCES[name]
    flow = deploy(world, name, instance)
    subscription = f"/triggers/{flow.definition.trigger.slug}/subscriptions/{flow.flow}"
    assert await flow.turn_on() == 201
    assert (await world.stack.call("GET", subscription)).json()["status"] == "active"
    # The same in another flow, which stays on: it shows that there was something to hear of.
    other = deploy(world, name, instance)
    assert await other.turn_on() == 201
    await world.cycle()
    assert flow.bodies() == []

    await occur(world, instance)
    await world.cycle()
    (body,) = flow.bodies()
    assert flow.definition.runs(body)
    assert flow.definition.tracking_id(body) == body["id"]
    assert body["data"]["instanceId"] == instance.id

    for _ in range(2):
        assert await flow.turn_off() == 204
    assert (await world.stack.call("GET", subscription)).status == 404
    await occur(world, instance)
    await world.cycle()
    assert (len(flow.bodies()), len(other.bodies())) == (1, 2)

    assert await flow.turn_on() == 201
    assert await flow.turn_on() == 200
    await occur(world, instance)
    await world.cycle()
    assert (len(flow.bodies()), len(other.bodies())) == (2, 3)


@pytest.mark.parametrize("name", NAMES)
async def test_the_key_of_the_definition_is_what_lets_it_in(world: World, name: str) -> None:
    flow = deploy(world, name, an_instance(world), bridgeKey="wrong")
    assert (await flow.turn_on(), await flow.turn_off()) == (401, 401)


async def test_the_message_tells_of_the_failure_that_happened(world: World) -> None:
    instance = an_instance(world)
    flow = deploy(world, "refresh-failed-to-teams", instance)
    assert await flow.turn_on() == 201
    await world.cycle()
    fail_web_shop(instance)
    instance.refresh_data_source(instance.data_source("Sales").id, ok=True, at=now())
    await world.cycle()
    (body,) = flow.bodies()
    message = flow.definition.action(body)["body"]["messageBody"]
    assert "<b>Web</b> could not be refreshed." in message
    assert "<p>The column &lt;id> is missing &amp; needed.</p>" in message
    assert f"job {body['data']['jobId']}, event {body['id']}" in message


async def test_the_mail_tells_of_the_crossing_that_happened(world: World) -> None:
    instance = an_instance(world)
    flow = deploy(world, "segment-crossed-to-mail", instance, direction="either")
    assert await flow.turn_on() == 201
    await world.cycle()
    instance.evaluate_segment("Big_Spenders", 1030, now())
    await world.cycle()
    instance.evaluate_segment("Big_Spenders", 970, now())
    await world.cycle()
    name = instance.segments["Big_Spenders"].friendly_name
    mails = [flow.definition.action(body)["body"] for body in flow.bodies()]
    assert [mail["Subject"] for mail in mails] == [
        f"{name} is above 1000: 1030 members",
        f"{name} is below 1000: 970 members",
    ]
    assert f"<b>{name}</b> went from 900 to 1030 members" in mails[0]["Body"]


async def test_the_next_job_starts_after_a_success_only(world: World) -> None:
    instance = an_instance(world)
    flow = deploy(world, "full-refresh-starts-next-job", instance)
    assert await flow.turn_on() == 201
    await world.cycle()
    broken = (INGESTION, instance.data_source("Web").id)
    run_full_refresh(instance, now(), Plan(failed={broken: BROKEN}), took=TOOK)
    await world.cycle()
    assert flow.bodies() == []
    refresh_fully(instance)
    await world.cycle()
    (body,) = flow.bodies()
    request = flow.definition.action(body)
    assert (request["method"], request["body"]) == ("POST", {"scope": "exports"})
    assert request["uri"] == f"https://{flow.definition.parameters['bridgeHost']}/api/instances/{instance.id}/refresh"
    assert request["headers"]["x-functions-key"] == world.stack.settings["FUNCTIONS_KEY"]
    assert await flow.send(request) == 202
    job = instance.workflow.jobs[0]
    assert (job.operation, job.status, job.kind) == ("export", "queued", "onDemand")


async def test_a_copy_with_the_same_id_takes_the_subscription_over(world: World) -> None:
    instance = an_instance(world)
    original = deploy(world, "refresh-failed-to-teams", instance)
    copy = Deployed(world, original.definition, f"{original.flow}-copy")
    assert (await original.turn_on(), await copy.turn_on()) == (201, 200)
    await world.cycle()
    fail_web_shop(instance)
    await world.cycle()
    assert (len(original.bodies()), len(copy.bodies())) == (0, 1)
    assert await original.turn_off() == 204
    fail_web_shop(instance)
    await world.cycle()
    assert (len(original.bodies()), len(copy.bodies())) == (0, 1)


async def test_the_id_of_another_trigger_s_flow_is_a_conflict(world: World) -> None:
    instance = an_instance(world)
    first = deploy(world, "refresh-failed-to-teams", instance)
    second = deploy(world, "full-refresh-starts-next-job", instance, subscriptionId=first.flow)
    assert (await first.turn_on(), await second.turn_on()) == (201, 409)


@dataclass
class Imported:
    """A sample flow for Power Automate in an environment of its own, calling the bridge with its connection's key."""

    world: World
    sample: CloudFlow
    flow: str

    async def turn_on(self) -> str:
        """The address that ends the subscription."""
        request = self.sample.subscribe(self.world.stack.flows.url(self.flow))
        status, headers, _ = await self.send(request)
        assert status == 201
        return headers["Location"]

    async def turn_off(self, location: str) -> int:
        async with aiohttp.ClientSession() as session, session.delete(location) as answer:
            return answer.status

    def bodies(self) -> Sequence[Mapping[str, Any]]:
        """What the flow was called with."""
        return events_of(self.world.stack.flows.of(self.flow))

    async def send(self, request: Request) -> tuple[int, Mapping[str, str], Any]:
        address = URL(self.world.stack.url.removesuffix("/api") + request.path, encoded=True)
        headers = {"x-functions-key": self.world.stack.settings["FUNCTIONS_KEY"]}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, address, headers=headers, json=request.body) as answer,
        ):
            return answer.status, answer.headers, await answer.json()


def bring(world: World, name: str, instance: Instance) -> Imported:
    source = instance.data_source("Cases")
    chosen = {**CHOSEN, "CHOOSE-THE-ENVIRONMENT": instance.id, "CHOOSE-THE-DATA-SOURCE": source.id}
    return Imported(world, CloudFlow(name, chosen), f"{name}-{uuid4().hex[:8]}")


def raise_segment_far(instance: Instance) -> None:
    """Let the segment cross 10,000 upwards, wherever it stands."""
    instance.evaluate_segment("Big_Spenders", 9_900, now())
    instance.evaluate_segment("Big_Spenders", 10_300, now())


@pytest.mark.parametrize("name", NAMES)
async def test_a_flow_with_the_connector_is_called_from_turning_on_to_turning_off(world: World, name: str) -> None:
    instance = an_instance(world)
    occur = {**OCCURRENCES, "segment-crossed-to-mail": in_tenant(raise_segment_far)}[name]
    flow, other = bring(world, name, instance), bring(world, name, instance)
    location = await flow.turn_on()
    await other.turn_on()
    await world.cycle()
    assert flow.bodies() == []

    await occur(world, instance)
    await world.cycle()
    (body,) = flow.bodies()
    assert flow.sample.runs(body)
    assert flow.sample.tracking_id(body) == body["id"]
    assert body["data"]["instanceId"] == instance.id
    assert all(value not in {None, ""} for value in flow.sample.action(body).values())

    assert await flow.turn_off(location) == 204
    await occur(world, instance)
    await world.cycle()
    assert len(flow.bodies()) == 1 < len(other.bodies())


async def test_a_flow_with_the_connector_starts_the_next_job(world: World) -> None:
    instance = an_instance(world)
    flow = bring(world, "full-refresh-starts-next-job", instance)
    await flow.turn_on()
    await world.cycle()
    refresh_fully(instance)
    await world.cycle()
    (body,) = flow.bodies()
    status, _, job = await flow.send(flow.sample.action_request(body))
    assert (status, job["operationType"]) == (202, "export")


async def test_a_sample_that_nobody_filled_in_says_what_is_missing(world: World) -> None:
    untouched = Imported(world, CloudFlow("refresh-failed-to-teams", {}), f"untouched-{uuid4().hex[:8]}")
    request = untouched.sample.subscribe(world.stack.flows.url(untouched.flow))
    status, _, problem = await untouched.send(request)
    assert (status, [one["field"] for one in problem["errors"]]) == (400, ["instanceId"])
