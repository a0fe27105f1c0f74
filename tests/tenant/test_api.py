import asyncio
import time

import pytest
import requests

from local.tenant.api import KEY_HEADER, TenantApi, serving
from local.tenant.life import Contoso
from tests.tenant.conftest import HEADERS, KEY, TOKEN, Served

SOURCES = {"client": "manage/datasources", "docs": "manage/datasources/v2"}
WORKFLOW = {"client": "workflows/main", "docs": "manage/workflows/main"}


def get(served: Served, path: str, headers: dict[str, str] = HEADERS) -> requests.Response:
    return requests.get(f"{served.base_url}{path}", headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({**HEADERS, "Authorization": "Bearer another"}, "Bearer"),
        ({**HEADERS, KEY_HEADER: "another"}, "AzureApiManagementKey"),
    ],
)
def test_without_token_or_key_nothing_is_told(served: Served, headers: dict[str, str], challenge: str) -> None:
    answer = get(served, "/instances", headers)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["WWW-Authenticate"].startswith(challenge)


def test_each_family_answers_404_to_the_other(served: Served, docs_served: Served, world: Contoso) -> None:
    root = f"/instances/{world.instance.id}"
    for path in (SOURCES, WORKFLOW):
        ending = "/jobs" if path is WORKFLOW else ""
        own, other = f"{root}/{path['client']}{ending}", f"{root}/{path['docs']}{ending}"
        assert [get(served, each).status_code for each in (own, other)] == [200, 404]
        assert [get(docs_served, each).status_code for each in (own, other)] == [404, 200]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/instances/x/manage/segments", "{i}/workflows/side/status", "{i}/workflows/main/jobs/x"],
)
def test_what_is_not_there_is_an_error_result(served: Served, world: Contoso, path: str) -> None:
    answer = get(served, path.format(i=f"/instances/{world.instance.id}"))
    assert answer.status_code == 404
    assert answer.json()["httpStatusCode"] == "404"


@pytest.mark.parametrize("query", ["top=many", "top=-1", "includeTasks=yes"])
def test_a_parameter_that_makes_no_sense_is_refused(served: Served, world: Contoso, query: str) -> None:
    assert get(served, f"/instances/{world.instance.id}/workflows/main/jobs?{query}").status_code == 400


def test_answers_are_compressed_only_for_callers_that_take_it(served: Served) -> None:
    plain = get(served, "/instances", {**HEADERS, "Accept-Encoding": "identity"})
    packed = get(served, "/instances", {**HEADERS, "Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.json() == packed.json()


def test_calls_are_counted_by_path(served: Served) -> None:
    for path in ("/instances", "/instances?x=1", "/nothing"):
        get(served, path)
    assert served.api.calls == {"/instances": 2, "/nothing": 1}


def test_a_fault_strikes_so_often_and_only_where_it_matches(served: Served, world: Contoso) -> None:
    served.api.faults.add("/manage/segments$", times=2, status=429, headers={"Retry-After": "7"}, body=b"slow down")
    path = f"/instances/{world.instance.id}/manage/segments"
    assert get(served, "/instances").status_code == 200
    answers = [get(served, path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert (answers[0].headers["Retry-After"], answers[0].content) == ("7", b"slow down")


def test_a_reset_connection_is_an_error_of_the_connection(served: Served) -> None:
    served.api.faults.add("/instances", reset=True)
    with pytest.raises(requests.ConnectionError):
        get(served, "/instances")
    assert get(served, "/instances").status_code == 200


def test_a_delay_is_followed_by_the_regular_answer(served: Served) -> None:
    served.api.faults.add("/instances", delay=0.2)
    started = time.monotonic()
    assert get(served, "/instances").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_stray_items_stand_in_their_lists(served: Served, world: Contoso) -> None:
    lists = {"datasources": "manage/datasources", "segments": "manage/segments", "measures": "manage/measures"}
    workflow = {name: f"workflows/main/{name}" for name in ("status", "jobs")}
    for name, path in (lists | workflow).items():
        world.instance.stray[name] = [{"broken": name}]
        assert {"broken": name} in get(served, f"/instances/{world.instance.id}/{path}").json()


async def test_a_server_ends_with_its_context(world: Contoso) -> None:
    async with serving(TenantApi(world.tenant, token=TOKEN, key=KEY)) as base_url:
        assert base_url.startswith("http://127.0.0.1:")
        answer = await asyncio.to_thread(requests.get, f"{base_url}/instances", headers=HEADERS, timeout=10)
        assert answer.status_code == 200
    with pytest.raises(requests.ConnectionError):
        await asyncio.to_thread(requests.get, f"{base_url}/instances", headers=HEADERS, timeout=10)


def test_jobs_are_submitted_in_either_family(served: Served, docs_served: Served, world: Contoso) -> None:
    for each, family in ((served, "client"), (docs_served, "docs")):
        jobs = f"{each.base_url}/instances/{world.instance.id}/{WORKFLOW[family]}/jobs"
        body = {"graphName": "main", "operationType": "none"}
        job = requests.post(f"{jobs}?operationType=ALL", headers=HEADERS, json=body, timeout=10).json()
        assert (job["operationType"], job["jobStatus"], job["endTimestamp"]) == ("all", "queued", None)
        stopped = requests.post(f"{jobs}/{job['jobId']}/cancel", headers=HEADERS, timeout=10).json()
        assert (stopped["jobStatus"], stopped["endTimestamp"] is None) == ("aborted", False)


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"jobType": "some"}', b'{"identifiers": "a"}', b'{"identifiers": [1]}']
)
def test_a_job_request_that_makes_no_sense_is_refused(served: Served, world: Contoso, body: bytes) -> None:
    jobs = f"{served.base_url}/instances/{world.instance.id}/workflows/main/jobs?operationType=all"
    answer = requests.post(jobs, headers=HEADERS, data=body, timeout=10)
    assert (answer.status_code, answer.json()["httpStatusCode"]) == (400, "400")
