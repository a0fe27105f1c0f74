"""The HTTP API of subscriptions as its callers meet it."""

import base64
import hmac
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from local.flows import Disabled
from local.stack import Answer
from local.tenant.model import Instance
from tests.integration.conftest import (
    DATA_SOURCE_FAILED,
    DATA_SOURCE_SUCCEEDED,
    MEASURE,
    SEGMENT,
    SYSTEM,
    TRIGGERS,
    UNIFICATION,
    World,
    now,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILTERS: Mapping[str, Mapping[str, object]] = {
    DATA_SOURCE_FAILED: {},
    DATA_SOURCE_SUCCEEDED: {},
    SEGMENT: {"segmentName": "Big_Spenders", "threshold": 1000},
    MEASURE: {"measureName": "Revenue", "threshold": 1000.25, "direction": "either", "rearmMargin": 0.1},
    SYSTEM: {"outcome": "failed", "submissionKind": "onDemand"},
    UNIFICATION: {},
}
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    SEGMENT: {"direction": "above", "rearmMargin": 0},
    UNIFICATION: {"outcome": "any", "submissionKind": "any"},
}


@pytest.fixture
def instance(world: World) -> Instance:
    return world.instance()


def wish(world: World, instance: Instance, flow: str = "flow", **more: object) -> dict[str, object]:
    return {"callbackUrl": world.stack.flows.url(flow), "instanceId": instance.id, **more}


async def post(world: World, trigger: str, body: object) -> Answer:
    return await world.stack.call("POST", f"/triggers/{trigger}/subscriptions", body)


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = dict(answer.json())
    assert body["status"] == status
    assert {"type", "title", "detail"} <= set(body)
    return body


def wrong_fields(answer: Answer) -> set[str]:
    errors = problem(answer, 400)["errors"]
    assert all(set(error) == {"field", "message"} and error["message"] for error in errors)
    return {error["field"] for error in errors}


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_subscribing_shows_the_subscription(world: World, instance: Instance, trigger: str) -> None:
    answer = await post(world, trigger, wish(world, instance, label="Größe", **FILTERS[trigger]))
    assert answer.status == 201, answer.body
    body = answer.json()
    expected = {"trigger": trigger, "instanceId": instance.id, "label": "Größe", "status": "active"}
    expected |= {"callbackHost": "127.0.0.1", **FILTERS[trigger], **DEFAULTS.get(trigger, {})}
    assert {key: body.get(key) for key in expected} == expected
    assert body["eventType"].startswith("CustomerInsights.")
    assert {"id", "createdAt", "updatedAt"} <= set(body)
    assert None not in body.values()
    assert answer.headers["Location"].startswith(f"{world.stack.url}/unsubscribe/")
    one = await world.stack.call("GET", f"/triggers/{trigger}/subscriptions/{body['id']}")
    assert (one.status, one.json()) == (200, body)


async def told_as(world: World, host: str, body: object) -> str:
    """Where to unsubscribe, as whoever sends this `Host` is told."""
    headers = {"Host": host, "x-functions-key": world.stack.settings["FUNCTIONS_KEY"]}
    address = f"{world.stack.url}/triggers/{SYSTEM}/subscriptions"
    async with aiohttp.ClientSession() as session, session.post(address, json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.read()
        return answer.headers["Location"]


async def test_addresses_are_those_that_callers_reach(world: World, instance: Instance) -> None:
    told = await told_as(world, "evil.test", wish(world, instance, "first"))
    assert told.startswith("http://evil.test/api/unsubscribe/")
    await world.restart(PUBLIC_URL="https://events.contoso.com/bridge/")
    try:
        told = await told_as(world, "evil.test", wish(world, instance, "second"))
        assert told.startswith("https://events.contoso.com/bridge/api/unsubscribe/")
        answer = await post(world, SYSTEM, wish(world, instance))
        assert answer.headers["Location"].startswith("https://events.contoso.com/bridge/api/unsubscribe/")
        document = (await world.stack.call("GET", "/openapi.json")).json()
        assert document["servers"] == [{"url": "https://events.contoso.com/bridge/api"}]
    finally:
        await world.restart()


async def test_the_same_again_is_the_same_subscription(world: World, instance: Instance) -> None:
    first = await post(world, DATA_SOURCE_FAILED, wish(world, instance))
    second = await post(world, DATA_SOURCE_FAILED, wish(world, instance))
    assert (first.status, second.status) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = await post(world, DATA_SOURCE_FAILED, wish(world, instance, "other"))
    assert (other.status, other.json()["id"] != first.json()["id"]) == (201, True)


async def test_a_capability_without_a_key_ends_its_own_registration_and_those_before_it(
    world: World, instance: Instance
) -> None:
    answers = [await post(world, SYSTEM, wish(world, instance)) for _ in range(2)]
    path = f"/triggers/{SYSTEM}/subscriptions/{answers[0].json()['id']}"
    for answer, status in zip(answers, (200, 404), strict=True):
        token = answer.headers["Location"].rsplit("/", 1)[1]
        for _ in range(2):
            assert (await world.stack.call("DELETE", f"/unsubscribe/{token}", key=False)).status == 204
        assert (await world.stack.call("GET", path)).status == status


async def test_an_unknown_capability_ends_nothing_and_tells_nothing(world: World, instance: Instance) -> None:
    made = (await post(world, SYSTEM, wish(world, instance))).json()["id"]
    for token in ("nonsense", f"{made}.wrong", f"{made}.", "a.b.c", "x" * 2_000):
        assert (await world.stack.call("DELETE", f"/unsubscribe/{token}", key=False)).status == 204
    assert (await world.stack.call("GET", f"/triggers/{SYSTEM}/subscriptions/{made}")).status == 200


async def test_a_chosen_id_is_made_replaced_and_ended(world: World, instance: Instance) -> None:
    chosen = f"my.Flow_{uuid.uuid4().hex[:8]}-1"
    path = f"/triggers/{SEGMENT}/subscriptions/{chosen}"
    body = wish(world, instance, segmentName="Big_Spenders", threshold=1)
    assert (await world.stack.call("PUT", path, body)).status == 201
    again = await world.stack.call("PUT", path, {**body, "threshold": 2})
    assert (again.status, again.json()["id"], again.json()["threshold"]) == (200, chosen, 2)
    problem(await world.stack.call("PUT", f"/triggers/{SYSTEM}/subscriptions/{chosen}", wish(world, instance)), 409)
    problem(await world.stack.call("GET", f"/triggers/{SYSTEM}/subscriptions/{chosen}"), 404)
    assert (await world.stack.call("DELETE", f"/triggers/{SYSTEM}/subscriptions/{chosen}")).status == 204
    assert (await world.stack.call("GET", path)).json()["threshold"] == 2
    for _ in range(2):
        assert (await world.stack.call("DELETE", path)).status == 204
    problem(await world.stack.call("GET", path), 404)


@pytest.mark.parametrize("chosen", ["a%20b", "a~b", "x" * 65, "%C3%A9", "a%23b"])
async def test_an_id_of_other_letters_is_refused(world: World, instance: Instance, chosen: str) -> None:
    answer = await world.stack.call("PUT", f"/triggers/{SYSTEM}/subscriptions/{chosen}", wish(world, instance))
    assert wrong_fields(answer) == {"id"}


async def test_an_unknown_trigger_is_not_found(world: World, instance: Instance) -> None:
    problem(await post(world, "nonsense", wish(world, instance)), 404)
    for method in ("GET", "DELETE"):
        problem(await world.stack.call(method, "/triggers/nonsense/subscriptions/a"), 404)


@pytest.mark.parametrize(
    ("trigger", "change", "field"),
    [
        (DATA_SOURCE_FAILED, {"callbackUrl": None}, "callbackUrl"),
        (DATA_SOURCE_FAILED, {"callbackUrl": "https://evil.example/x"}, "callbackUrl"),
        (DATA_SOURCE_FAILED, {"callbackUrl": "no url"}, "callbackUrl"),
        (DATA_SOURCE_FAILED, {"callbackUrl": 5}, "callbackUrl"),
        (DATA_SOURCE_FAILED, {"instanceId": "nope"}, "instanceId"),
        (DATA_SOURCE_FAILED, {"instanceId": None}, "instanceId"),
        (DATA_SOURCE_FAILED, {"dataSourceId": "nope"}, "dataSourceId"),
        (DATA_SOURCE_FAILED, {"extra": 1}, "extra"),
        (DATA_SOURCE_FAILED, {"threshold": 1}, "threshold"),
        (SEGMENT, {"segmentName": "nope"}, "segmentName"),
        (SEGMENT, {"threshold": "1000"}, "threshold"),
        (SEGMENT, {"threshold": True}, "threshold"),
        (SEGMENT, {"threshold": None}, "threshold"),
        (SEGMENT, {"direction": "sideways"}, "direction"),
        (SEGMENT, {"rearmMargin": -1}, "rearmMargin"),
        (MEASURE, {"measureName": "nope"}, "measureName"),
        (MEASURE, {"segmentName": "Big_Spenders"}, "segmentName"),
        (SYSTEM, {"outcome": "perhaps"}, "outcome"),
        (SYSTEM, {"submissionKind": "never"}, "submissionKind"),
        (SYSTEM, {"label": "x" * 2000}, "label"),
    ],
)
async def test_a_wrong_field_is_named(
    world: World, instance: Instance, trigger: str, change: Mapping[str, object], field: str
) -> None:
    answer = await post(world, trigger, {**wish(world, instance), **FILTERS[trigger], **change})
    assert wrong_fields(answer) == {field}
    assert b"sig=" not in answer.body


async def test_all_wrong_fields_are_named_at_once(world: World) -> None:
    assert wrong_fields(await post(world, SEGMENT, {"extra": 1})) == {
        "callbackUrl", "instanceId", "segmentName", "threshold", "extra",
    }  # fmt: skip


@pytest.mark.parametrize("body", [[], 5, "text", None])
async def test_a_body_that_is_no_object_is_refused(world: World, body: object) -> None:
    problem(await post(world, SYSTEM, body), 400)


async def test_an_api_that_cannot_be_asked_does_not_keep_anybody_out(world: World, instance: Instance) -> None:
    world.api.faults.add(".*", times=50, status=503)
    answer = await post(world, SEGMENT, wish(world, instance, segmentName="Unknown", threshold=1))
    assert answer.status == 201


async def test_a_data_source_is_found_by_its_id(world: World, instance: Instance) -> None:
    source = instance.data_source("Web").id
    answer = await post(world, DATA_SOURCE_FAILED, wish(world, instance, dataSourceId=source))
    assert (answer.status, answer.json()["dataSourceId"]) == (201, source)


async def test_the_list_has_filters(world: World, instance: Instance) -> None:
    other = world.instance()
    made = [await world.subscribe(SYSTEM, "a", instance), await world.subscribe(UNIFICATION, "a", instance)]
    await world.subscribe(SYSTEM, "a", other)

    async def listed(**query: str) -> list[str]:
        asked = "&".join(f"{key}={value}" for key, value in {"instanceId": instance.id, **query}.items())
        return [each["id"] for each in (await world.stack.call("GET", f"/subscriptions?{asked}")).json()["value"]]

    assert sorted(await listed()) == sorted(each["id"] for each in made)
    assert await listed(trigger=SYSTEM) == [made[0]["id"]]
    assert sorted(await listed(status="active")) == sorted(each["id"] for each in made)
    assert await listed(status="suspended") == []
    everything = (await world.stack.call("GET", "/subscriptions")).json()["value"]
    assert {each["instanceId"] for each in everything} >= {instance.id, other.id}
    for query in ("trigger=nonsense", "status=nonsense"):
        assert wrong_fields(await world.stack.call("GET", f"/subscriptions?{query}")) == {query.split("=")[0]}


async def test_a_secret_is_shown_once_and_signs_what_is_sent(world: World, instance: Instance) -> None:
    body = wish(world, instance, "signed", signed=True)
    made, again = [await post(world, DATA_SOURCE_FAILED, body) for _ in range(2)]
    secret = made.json()["secret"]
    assert (made.status, again.status) == (201, 200)
    assert {**again.json(), "secret": secret, "updatedAt": made.json()["updatedAt"]} == made.json()
    listed = await world.stack.call("GET", f"/subscriptions?instanceId={instance.id}")
    assert [each["signed"] for each in listed.json()["value"]] == [True]
    await world.cycle()
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    await world.cycle()
    [call] = world.stack.flows.of("signed")
    content = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    expected = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    assert call.headers["webhook-signature"] == f"v1,{expected}"
    shown = [again.body.decode(), listed.body.decode(), *world.lines]
    assert [text for text in shown if "whsec_" in text or secret[6:] in text] == []
    assert secret not in await world.storage.text()


async def test_a_callback_is_shown_nowhere_and_stored_unreadable(world: World, instance: Instance) -> None:
    world.stack.flows.behave("gone", Disabled())
    url = world.stack.flows.url("gone")
    signature = url.split("sig=")[1]
    answers = [
        await post(world, SYSTEM, wish(world, instance, "gone")),
        await post(world, SYSTEM, wish(world, instance, "gone", outcome="nonsense")),
        await post(world, SYSTEM, wish(world, instance, "gone", extra=url)),
        await post(world, SYSTEM, {**wish(world, instance), "callbackUrl": url + "#fragment"}),
        await post(world, SYSTEM, {**wish(world, instance), "instanceId": url}),
        await post(world, DATA_SOURCE_FAILED, wish(world, instance, "gone")),
    ]
    await world.cycle()
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    await world.cycle()
    assert len(world.stack.flows.of("gone")) == 1
    answers.append(await world.stack.call("GET", "/subscriptions"))
    texts = [answer.body.decode() + str(dict(answer.headers)) for answer in answers]
    assert [text for text in texts if signature in text or "/workflows/gone" in text] == []
    assert [line for line in world.lines if signature in line or "/workflows/gone" in line] == []
    stored = await world.storage.text()
    assert instance.id in stored
    assert signature not in stored
    assert "/workflows/" not in stored
    assert "sig=" not in stored
