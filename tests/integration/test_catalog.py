"""Every catalog and action route as its callers meet it, against a tenant that answers and one that fails."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import yarl
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from local.stack import Answer
from local.tenant.model import REFRESH_TOOK, Instance
from local.tenant.tables import BOOLEAN, DATE_TIME, DECIMAL, INTEGER, STRING, Table
from shared.domain.events import EVENT_TYPES
from tests.integration.conftest import KEY, TOKEN, World, now, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ODD = ["a/b", "100%", "it's", "two words", "Zoë 日🙂", "#?&=+", "a'') or (1 eq 1", "a;b@c:d$e,f", "..."]
COLUMNS = {"Id": STRING, "Name": STRING, "Points": INTEGER, "Worth": DECIMAL, "Since": DATE_TIME, "Ok": BOOLEAN}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def given_up(running: World) -> AsyncIterator[asyncio.Task[Answer]]:
    """The answer to a call on which the API hangs: it is begun first, so that the other tests pass while it lasts."""
    await running.start_host()
    own = f"/instances/{running.instance().id}"
    running.api.faults.add(f"{own}/manage/segments", delay=30)
    answer = asyncio.create_task(call(running, "GET", f"{own}/segments"))

    async def has_begun() -> bool:
        return running.api.calls[f"{own}/manage/segments"] > 0

    await until(has_begun)
    yield answer
    answer.cancel()


@pytest.fixture
def instance(world: World) -> Instance:
    return world.instance()


@pytest.fixture
def people(instance: Instance) -> Table:
    rows: list[dict[str, Any]] = [
        {"Id": f"p{number}", "Name": f"N{number % 3}", "Points": number} for number in range(250)
    ]
    rows += [{"Id": key, "Name": "odd", "Points": -1} for key in ODD]
    return instance.add_table("People", COLUMNS, rows, entity_type="profile", partitions=2, header=True)


async def call(world: World, method: str, path: str, body: object = None, *, key: bool = True) -> Answer:
    """Call an address as it is written: the client would decode some of it."""
    address = yarl.URL(world.stack.url + path, encoded=True)
    return await world.stack._request(method, address, body, key=key)  # type: ignore[arg-type]


async def get(world: World, instance: Instance, path: str) -> Any:  # noqa: ANN401 - whatever JSON the app sent
    answer = await call(world, "GET", f"/instances/{instance.id}{path}")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = dict(answer.json())
    assert body["status"] == status
    assert {"type", "title", "detail"} <= set(body)
    return body


def wrong_fields(answer: Answer) -> dict[str, str]:
    return {error["field"]: error["message"] for error in problem(answer, 400)["errors"]}


ROUTES = [
    ("GET", "/data-sources"),
    ("GET", "/segments"),
    ("GET", "/segments/Big_Spenders"),
    ("GET", "/measures"),
    ("GET", "/measures/Revenue"),
    ("GET", "/tables"),
    ("GET", "/tables/People"),
    ("GET", "/jobs"),
    ("GET", "/jobs/j"),
    ("GET", "/status"),
    ("GET", "/report"),
    ("GET", "/tables/People/items"),
    ("GET", "/tables/People/items/p1"),
    ("POST", "/tables/People/items"),
    ("PATCH", "/tables/People/items/p1"),
    ("GET", "/tables/People/partitions"),
    ("GET", "/tables/People/partitions/part-00000"),
    ("POST", "/refresh"),
    ("POST", "/jobs/j/cancel"),
    ("POST", "/segments/Big_Spenders/activate"),
    ("POST", "/segments/Big_Spenders/deactivate"),
]


def body_for(method: str, path: str) -> object:
    if method == "GET" or "items" not in path:
        return {"scope": "all"} if path == "/refresh" else None
    return {"Name": "x"}


async def test_lists_what_there_is(world: World, instance: Instance, people: Table) -> None:
    listed = (await call(world, "GET", "/instances")).json()["value"]
    assert [one["instanceId"] for one in listed] == [instance.id]
    sources = (await get(world, instance, "/data-sources"))["value"]
    assert [one["friendlyName"] for one in sources] == ["Sales", "Web"]
    (segment,) = (await get(world, instance, "/segments"))["value"]
    assert (segment["name"], segment["memberCount"], segment["state"]) == ("Big_Spenders", 900, "active")
    single = await get(world, instance, "/segments/Big_Spenders")
    assert [one["value"] for one in single.pop("history")] == [900]
    assert single == segment
    (measure,) = (await get(world, instance, "/measures"))["value"]
    assert (measure["name"], measure["value"], measure["scalar"]) == ("Revenue", 900.5, True)
    single = await get(world, instance, "/measures/Revenue")
    assert [one["value"] for one in single.pop("history")] == [900.5]
    assert single == measure
    (table,) = (await get(world, instance, "/tables"))["value"]
    assert (table["name"], table["qualifiedName"], table["type"]) == ("People", people.name, "profile")
    detail = await get(world, instance, "/tables/People")
    assert {one["name"]: one["dataType"] for one in detail["columns"]} == COLUMNS
    assert detail["keys"] == [["Id"]]
    Draft202012Validator.check_schema(detail["rowSchema"])
    row = await get(world, instance, "/tables/People/items/p1")
    assert set(row) <= set(detail["rowSchema"]["properties"])


async def test_jobs_status_and_report(world: World, instance: Instance) -> None:
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    jobs = (await get(world, instance, "/jobs?top=1"))["value"]
    assert len(jobs) == 1
    job = await get(world, instance, f"/jobs/{jobs[0]['jobId']}")
    assert (job["jobId"], job["tasks"][0]["status"]) == (jobs[0]["jobId"], "failed")
    nodes = (await get(world, instance, "/status"))["value"]
    assert [node["name"] for node in nodes if node.pop("durationSeconds", None) == REFRESH_TOOK.total_seconds()] == [
        "Web"
    ]
    watched = {node["operationType"]: node.pop("subscriptions", None) for node in nodes}
    assert {"ingestion", "segmentation", "measures"} <= watched.keys()
    nobody = {"active": 0, "failing": 0, "paused": 0, "suspended": 0}
    assert [watched[one] for one in ("ingestion", "segmentation", "measures")] == [nobody] * 3
    summary = await get(world, instance, "/report")
    assert summary["reportType"] == "summary"
    assert summary["latestJob"]["jobId"] == jobs[0]["jobId"]
    assert summary["counts"]["failed"] == 1
    assert [node["name"] for node in summary["failures"]] == ["Web"]
    assert (await get(world, instance, "/report?reportType=detailed"))["nodes"] == nodes


@pytest.mark.usefixtures("people")
async def test_items_are_found_in_order_and_over_pages(world: World, instance: Instance) -> None:
    async def ids(query: str) -> list[str]:
        return [row["Id"] for row in (await get(world, instance, f"/tables/People/items{query}"))["value"]]

    assert len(await ids("")) == 100
    assert await ids("?top=230&skip=10") == [f"p{number}" for number in range(10, 240)]
    assert await ids("?filter=Points%20ge%20247&orderBy=Points%20desc") == ["p249", "p248", "p247"]
    assert await ids(f"?filter={quote("Id eq 'it''s'", safe='')}") == ["it's"]
    (row,) = (await get(world, instance, "/tables/People/items?top=1&select=Id,Name"))["value"]
    assert row == {"Id": "p0", "Name": "N0"}


@pytest.mark.parametrize("key", ODD)
@pytest.mark.usefixtures("people")
async def test_items_with_odd_keys_are_read_and_changed(world: World, instance: Instance, key: str) -> None:
    item = f"/tables/People/items/{quote(key, safe='')}"
    assert (await get(world, instance, item))["Id"] == key
    answer = await call(world, "PATCH", f"/instances/{instance.id}{item}", {"Points": 7})
    assert (answer.status, answer.body) == (204, b"")
    assert (await get(world, instance, item))["Points"] == 7


@pytest.mark.parametrize("name", ODD)
async def test_odd_names_reach_what_they_name(world: World, instance: Instance, name: str) -> None:
    instance.add_segment(name, 5, now())
    instance.add_measure(name, 5, now())
    instance.add_table(name, {"Id": STRING}, [{"Id": "1"}])
    odd = quote(name, safe="")
    assert (await get(world, instance, f"/segments/{odd}"))["name"] == name
    assert (await get(world, instance, f"/measures/{odd}"))["name"] == name
    assert (await get(world, instance, f"/tables/{odd}"))["name"] == name
    assert (await get(world, instance, f"/tables/{odd}/items"))["value"] == [{"Id": "1"}]
    assert (await get(world, instance, f"/tables/{odd}/partitions/part-00000"))["value"] == [{"Id": "1"}]
    answer = await call(world, "POST", f"/instances/{instance.id}/segments/{odd}/deactivate")
    assert answer.status == 204
    assert instance.segments[name].state == "inactive"


async def test_creating_an_item(world: World, instance: Instance, people: Table) -> None:
    items = f"/instances/{instance.id}/tables/People/items"
    answer = await call(world, "POST", items, {"Id": "new", "Worth": 0.5, "Ok": True})
    assert (answer.status, answer.json()) == (201, {"status": "created"})
    assert people.find("new") is not None
    problem(await call(world, "POST", items, {"Id": "new"}), 409)
    assert "Shoe" in wrong_fields(await call(world, "POST", items, {"Id": "x", "Shoe": 1}))
    assert "Points" in wrong_fields(await call(world, "PATCH", f"{items}/new", {"Points": "many"}))


async def test_partitions(world: World, instance: Instance, people: Table) -> None:
    listed = (await get(world, instance, "/tables/People/partitions"))["value"]
    assert [one["name"] for one in listed] == [one.name for one in people.partitions]
    found = []
    for one in listed:
        found += (await get(world, instance, f"/tables/People/partitions/{one['name']}"))["value"]
    assert [row["Id"] for row in found] == [row["Id"] for row in people.rows]
    assert {type(row["Points"]) for row in found} == {int}


async def test_a_partition_elsewhere_is_not_fetched(world: World, instance: Instance, people: Table) -> None:
    people.partitions[0].uri = f"{world.stack.flows.url('spy')}&hush-signature"
    answer = await call(world, "GET", f"/instances/{instance.id}/tables/People/partitions/part-00000")
    assert "hush-signature" not in str(problem(answer, 502))
    assert not world.stack.flows.of("spy")
    assert not [line for line in world.lines if "hush-signature" in line]


@pytest.mark.parametrize("family", ["all", "dataSources", "segments", "measures"])
async def test_a_refresh_is_a_job(world: World, instance: Instance, family: str) -> None:
    known = {"dataSources": instance.data_source("Web").id, "segments": "Big_Spenders", "measures": "Revenue"}
    named = {"identifiers": [known[family]]} if family in known else {}
    answer = await call(world, "POST", f"/instances/{instance.id}/refresh", {"scope": family, "force": True, **named})
    assert answer.status == 202, answer.body
    job = answer.json()
    assert (job["status"], job["submissionKind"]) == ("queued", "onDemand")
    canceled = await call(world, "POST", f"/instances/{instance.id}/jobs/{job['jobId']}/cancel")
    assert (canceled.status, canceled.json()["status"]) == (200, "aborted")
    assert (await get(world, instance, f"/jobs/{job['jobId']}"))["status"] == "aborted"


async def test_segments_are_switched(world: World, instance: Instance) -> None:
    for verb, state in (("deactivate", "inactive"), ("activate", "active")):
        answer = await call(world, "POST", f"/instances/{instance.id}/segments/Big_Spenders/{verb}")
        assert (answer.status, answer.body) == (204, b"")
        assert (await get(world, instance, "/segments/Big_Spenders"))["state"] == state


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/segments/Nothing", "Nothing"),
        ("GET", "/measures/Nothing", "Nothing"),
        ("GET", "/tables/Nothing", "Nothing"),
        ("GET", "/tables/Nothing/items", "Nothing"),
        ("GET", "/tables/Nothing/partitions", "Nothing"),
        ("GET", "/tables/People/partitions/part-9", "part-9"),
        ("GET", "/tables/People/items/no%2Fone", "no/one"),
        ("PATCH", "/tables/People/items/nobody", "nobody"),
        ("POST", "/tables/Nothing/items", "Nothing"),
        ("GET", "/jobs/nothing", "nothing"),
        ("POST", "/jobs/nothing/cancel", "nothing"),
        ("POST", "/segments/Nothing/activate", "Nothing"),
        ("GET", "/segments/..%2F..%2Fdatasources", "../../datasources"),
    ],
)
@pytest.mark.usefixtures("people")
async def test_what_is_not_there_is_named(world: World, instance: Instance, method: str, path: str, name: str) -> None:
    answer = await call(world, method, f"/instances/{instance.id}{path}", body_for(method, path))
    assert name in problem(answer, 404)["detail"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/jobs?top=0", "top"),
        ("/jobs?top=many", "top"),
        ("/report?reportType=odd", "reportType"),
        ("/tables/People/items?top=100001", "top"),
        ("/tables/People/items?skip=-1", "skip"),
        ("/tables/People/items?filter=Shoe%20eq%205", "Shoe"),
        ("/tables/People/items?filter=Name", "filter"),
        ("/tables/People/items?select=Id,Shoe", "Shoe"),
        ("/tables/People/items?orderBy=Shoe", "Shoe"),
        ("/segments/" + "x" * 257, "name"),
    ],
)
@pytest.mark.usefixtures("people")
async def test_what_is_wrong_is_named(world: World, instance: Instance, path: str, field: str) -> None:
    assert field in wrong_fields(await call(world, "GET", f"/instances/{instance.id}{path}"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "scope"),
        ({"scope": "x"}, "scope"),
        ({"scope": "all", "identifiers": ["a"]}, "identifiers"),
        ({"scope": "all", "more": 1}, "more"),
    ],
)
async def test_a_wrong_refresh_starts_nothing(world: World, instance: Instance, body: object, field: str) -> None:
    jobs = len((await get(world, instance, "/jobs?top=1000"))["value"])
    assert set(wrong_fields(await call(world, "POST", f"/instances/{instance.id}/refresh", body))) == {field}
    assert len((await get(world, instance, "/jobs?top=1000"))["value"]) == jobs


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
async def test_every_route_asks_for_the_key_and_knows_no_strange_instance(
    world: World, instance: Instance, method: str, path: str
) -> None:
    body = body_for(method, path)
    assert (await call(world, method, f"/instances/{instance.id}{path}", body, key=False)).status == 401
    problem(await call(world, method, f"/instances/nowhere{path}", body), 404)


FAILURES: list[tuple[dict[str, Any], int, str | None]] = [
    ({"status": 401}, 502, None),
    ({"status": 403}, 502, None),
    # No longer than that: polls of the tests that follow wait for it, too.
    ({"status": 429, "headers": {"Retry-After": "2"}}, 503, "2"),
    ({"status": 503, "headers": {"Retry-After": "70"}}, 503, "70"),
    ({"status": 500}, 503, "10"),
    ({"reset": True}, 503, "10"),
    ({"status": 200, "body": b"<html>hush-body"}, 503, "10"),
    ({"status": 400, "body": b"<html>hush-body"}, 400, None),
    ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, 503, None),
]


@pytest.mark.parametrize(("fault", "status", "wait"), FAILURES, ids=lambda part: str(part)[:30])
@pytest.mark.usefixtures("people")
async def test_a_failure_of_the_api_is_told_apart(
    world: World, instance: Instance, fault: dict[str, Any], status: int, wait: str | None
) -> None:
    fault = {"body": f'{{"message": "bad {KEY} {TOKEN}"}}'.encode(), **fault}
    lines = len(world.lines)
    for method, path in (
        ("GET", "/segments"),
        ("GET", "/tables/People/items"),
        ("GET", "/jobs"),
        ("PATCH", "/tables/People/items/p1"),
        ("POST", "/refresh"),
    ):
        if method != "GET" and fault.get("status") == 200:  # see the test below
            continue
        world.api.faults.waiting.clear()
        world.api.faults.add("/instances/", times=1, **fault)
        before = sum(world.api.calls.values())
        answer = await call(world, method, f"/instances/{instance.id}{path}", body_for(method, path))
        said = problem(answer, status)
        assert answer.headers.get("Retry-After") == wait
        assert sum(world.api.calls.values()) == before + 1
        for secret in (KEY, TOKEN, "hush-body"):
            assert secret not in json.dumps(said)
        if status == 502:
            assert "bridge's own access" in said["detail"]
    world.api.faults.waiting.clear()
    assert not [line for line in world.lines[lines:] if KEY in line or TOKEN in line]


@pytest.mark.parametrize("body", [b"", b"<html>hush-body", b"[]", b"{}"])
async def test_what_may_have_been_done_is_not_asked_to_be_tried_again(
    world: World, instance: Instance, body: bytes
) -> None:
    world.api.faults.add("/jobs", times=1, status=200, body=body)
    answer = await call(world, "POST", f"/instances/{instance.id}/refresh", {"scope": "segments"})
    assert "hush-body" not in json.dumps(problem(answer, 502))
    assert "Retry-After" not in answer.headers


async def test_calls_that_hang_hold_up_no_others(world: World, instance: Instance) -> None:
    world.api.faults.add("/manage/measures", times=20, delay=4)
    hanging = [asyncio.create_task(call(world, "GET", f"/instances/{instance.id}/measures")) for _ in range(20)]
    await asyncio.sleep(0.5)
    started = time.monotonic()
    assert (await call(world, "GET", "/health", key=False)).status == 200
    assert (await call(world, "GET", f"/instances/{instance.id}/data-sources")).status == 200
    assert (await call(world, "GET", "/subscriptions")).status == 200
    assert time.monotonic() - started < 3
    assert not any(task.done() for task in hanging)
    assert {answer.status for answer in await asyncio.gather(*hanging)} == {200}


async def test_an_api_that_hangs_is_not_waited_for_endlessly(given_up: asyncio.Task[Answer]) -> None:
    problem(await given_up, 504)


async def test_event_types_describe_themselves(world: World) -> None:
    listed = (await call(world, "GET", "/event-types")).json()["value"]
    assert [one["type"] for one in listed] == [data.event_type for data in EVENT_TYPES]
    for one in listed:
        detail = (await call(world, "GET", f"/event-types/{one['type']}")).json()
        assert one.items() <= detail.items()
        Draft202012Validator.check_schema(detail["schema"])
        Draft202012Validator(detail["schema"]).validate(detail["sample"])
    problem(await call(world, "GET", "/event-types/Nothing"), 404)


async def test_the_description_of_the_api_is_served_with_its_address(world: World) -> None:
    document = (await call(world, "GET", "/openapi.json")).json()
    validate(document)
    assert document["servers"] == [{"url": world.stack.url}]


@pytest.mark.parametrize("path", ["/instances", "/event-types", "/event-types/x", "/openapi.json"])
async def test_nothing_is_told_without_the_key(world: World, path: str) -> None:
    assert (await call(world, "GET", path, key=False)).status == 401


async def test_an_instance_that_is_not_served_is_not_there(world: World, instance: Instance) -> None:
    other = world.instance()
    await world.restart(CUSTOMER_INSIGHTS_INSTANCES=instance.id)
    try:
        calls = sum(world.api.calls.values())
        for method, path in ROUTES:
            answer = await call(world, method, f"/instances/{other.id}{path}", body_for(method, path))
            assert other.id in problem(answer, 404)["detail"]
        assert sum(world.api.calls.values()) == calls
        listed = (await call(world, "GET", "/instances")).json()["value"]
        assert [one["instanceId"] for one in listed] == [instance.id]
        assert len((await get(world, instance, "/segments"))["value"]) == 1
    finally:
        await world.restart()
