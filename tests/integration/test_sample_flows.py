"""The sample flows against the running bridge: turned on as the platform does, called, and turned off again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from local.tenant.model import Instance
from local.tenant.records import INGESTION, Failure
from local.tenant.runs import Plan, run_full_refresh
from tests.flows.definitions import NAMES, Definition
from tests.flows.power_automate import CHOSEN, CloudFlow, Request
from tests.integration.conftest import World, events_of, now

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOK = timedelta(milliseconds=200)  # runs follow each other closely here, and do not overlap
BROKEN = Failure("IngestionSchema", "The column <id> is missing & needed.")


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
    return Deployed(world, Definition(name, **{**given, **values}), own)


def fail_web_shop(instance: Instance) -> None:
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now(), error=BROKEN)


def raise_segment(instance: Instance) -> None:
    """Let the segment cross 1,000 upwards, wherever it stands."""
    instance.evaluate_segment("Big_Spenders", 990, now())
    instance.evaluate_segment("Big_Spenders", 1030, now())


def refresh_fully(instance: Instance) -> None:
    run_full_refresh(instance, now(), took=TOOK)


OCCURRENCES: Mapping[str, Callable[[Instance], None]] = {
    "refresh-failed-to-teams": fail_web_shop,
    "segment-crossed-to-mail": raise_segment,
    "full-refresh-starts-next-job": refresh_fully,
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_flow_is_called_from_turning_on_to_turning_off(world: World, name: str) -> None:
    instance, occur = world.instance(), OCCURRENCES[name]
    flow = deploy(world, name, instance)
    subscription = f"/triggers/{flow.definition.trigger.slug}/subscriptions/{flow.flow}"
    assert await flow.turn_on() == 201
    assert (await world.stack.call("GET", subscription)).json()["status"] == "active"
    # The same in another flow, which stays on: it shows that there was something to hear of.
    other = deploy(world, name, instance)
    assert await other.turn_on() == 201
    await world.cycle()
    assert flow.bodies() == []

    occur(instance)
    await world.cycle()
    (body,) = flow.bodies()
    assert flow.definition.runs(body)
    assert flow.definition.tracking_id(body) == body["id"]
    assert body["data"]["instanceId"] == instance.id

    for _ in range(2):
        assert await flow.turn_off() == 204
    assert (await world.stack.call("GET", subscription)).status == 404
    occur(instance)
    await world.cycle()
    assert (len(flow.bodies()), len(other.bodies())) == (1, 2)

    assert await flow.turn_on() == 201
    assert await flow.turn_on() == 200
    occur(instance)
    await world.cycle()
    assert (len(flow.bodies()), len(other.bodies())) == (2, 3)


@pytest.mark.parametrize("name", NAMES)
async def test_the_key_of_the_definition_is_what_lets_it_in(world: World, name: str) -> None:
    flow = deploy(world, name, world.instance(), bridgeKey="wrong")
    assert (await flow.turn_on(), await flow.turn_off()) == (401, 401)


async def test_the_message_tells_of_the_failure_that_happened(world: World) -> None:
    instance = world.instance()
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
    instance = world.instance()
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
    instance = world.instance()
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
    instance = world.instance()
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
    instance = world.instance()
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
    return Imported(
        world, CloudFlow(name, {**CHOSEN, "CHOOSE-THE-ENVIRONMENT": instance.id}), f"{name}-{uuid4().hex[:8]}"
    )


def raise_segment_far(instance: Instance) -> None:
    """Let the segment cross 10,000 upwards, wherever it stands."""
    instance.evaluate_segment("Big_Spenders", 9_900, now())
    instance.evaluate_segment("Big_Spenders", 10_300, now())


@pytest.mark.parametrize("name", NAMES)
async def test_a_flow_with_the_connector_is_called_from_turning_on_to_turning_off(world: World, name: str) -> None:
    instance = world.instance()
    occur = {**OCCURRENCES, "segment-crossed-to-mail": raise_segment_far}[name]
    flow, other = bring(world, name, instance), bring(world, name, instance)
    location = await flow.turn_on()
    await other.turn_on()
    await world.cycle()
    assert flow.bodies() == []

    occur(instance)
    await world.cycle()
    (body,) = flow.bodies()
    assert flow.sample.runs(body)
    assert flow.sample.tracking_id(body) == body["id"]
    assert body["data"]["instanceId"] == instance.id
    assert all(value not in {None, ""} for value in flow.sample.action(body).values())

    assert await flow.turn_off(location) == 204
    occur(instance)
    await world.cycle()
    assert len(flow.bodies()) == 1 < len(other.bodies())


async def test_a_flow_with_the_connector_starts_the_next_job(world: World) -> None:
    instance = world.instance()
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
