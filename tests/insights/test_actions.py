import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from responses import RequestsMock

from shared.domain.actions import Refresh
from shared.domain.catalog import Job
from shared.errors import (
    AccessError,
    BridgeError,
    ConflictError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TimedOutError,
    TransientError,
)
from shared.insights.actions import ActionsClient
from tests.insights.fakes import ENDPOINT, FakeTokens, calls

I1 = f"{ENDPOINT}/instances/i1"
JOBS, DOCS_JOBS = f"{I1}/workflows/main/jobs", f"{I1}/manage/workflows/main/jobs"
JOB = {"jobId": "j1", "operationType": "All", "jobStatus": "Queued", "jobSubmissionKind": "onDemand"}
QUEUED = Job(job_id="j1", operation_type="all", status="queued", submission_kind="onDemand")


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def actions(**settings: Any) -> ActionsClient:  # noqa: ANN401 - any setting
    return ActionsClient(calls(**settings).hurried())


def refresh(**wish: object) -> Refresh:
    return Refresh.model_validate({"scope": "all", **wish})


def sent(api: RequestsMock) -> tuple[dict[str, str], dict[str, Any]]:
    (call,) = api.calls
    query = dict(parse_qsl(urlsplit(str(call.request.url)).query, strict_parsing=True))
    return query, json.loads(call.request.body or "")


@pytest.mark.parametrize(
    ("scope", "operation"),
    [
        ("all", "all"),
        ("dataSources", "ingestion"),
        ("unification", "merge"),
        ("relationships", "relationship"),
        ("activities", "activity"),
        ("enrichments", "enrichment"),
        ("segments", "segmentation"),
        ("measures", "measures"),
        ("predictions", "intelligence"),
        ("exports", "export"),
    ],
)
async def test_a_refresh_submits_a_job_of_the_scope(api: RequestsMock, scope: str, operation: str) -> None:
    api.post(JOBS, json=JOB)
    assert await actions().refresh("i1", refresh(scope=scope)) == QUEUED
    query, body = sent(api)
    assert query == {"operationType": operation, "forceRunRequested": "false"}
    options = {"options": {"runDownstreamAfterMerge": False}} if scope == "unification" else {}
    expected = {"operationType": operation, "submissionKind": "onDemand", "forceRunRequested": False}
    assert body == expected | options


async def test_a_refresh_says_what_to_run_and_how(api: RequestsMock) -> None:
    api.post(JOBS, json=JOB)
    names = ["a b", "c&d=e", "f+g"]
    await actions().refresh("i1", refresh(scope="segments", identifiers=names, force=True, mode="incremental"))
    query, body = sent(api)
    assert query == {"operationType": "segmentation", "forceRunRequested": "true", "identifiers": "a b,c&d=e,f+g"}
    assert body == {
        "operationType": "segmentation",
        "submissionKind": "onDemand",
        "forceRunRequested": True,
        "identifiers": names,
        "jobType": "incremental",
    }


async def test_finds_the_layout_of_paths_that_answers_and_starts_one_job(api: RequestsMock) -> None:
    first = api.post(JOBS, status=404)
    second = api.post(DOCS_JOBS, json=JOB)
    client = actions()
    assert await client.refresh("i1", refresh()) == QUEUED
    assert await client.refresh("i1", refresh()) == QUEUED
    assert (first.call_count, second.call_count) == (1, 2)


async def test_cancels_a_job(api: RequestsMock) -> None:
    asked = api.post(f"{JOBS}/a%2Fb/cancel", json=JOB | {"jobStatus": "Aborted"})
    assert (await actions().cancel("i1", "a/b")).status == "aborted"
    assert asked.calls[0].request.body is None


async def test_cancels_in_the_other_layout(api: RequestsMock) -> None:
    api.post(f"{JOBS}/j1/cancel", status=404)
    api.post(f"{DOCS_JOBS}/j1/cancel", json=JOB)
    assert await actions().cancel("i1", "j1") == QUEUED


@pytest.mark.parametrize(("active", "verb"), [(True, "activate"), (False, "deactivate")])
@pytest.mark.parametrize("body", ["true", "", "{}"])
async def test_switches_a_segment(api: RequestsMock, active: bool, verb: str, body: str) -> None:  # noqa: FBT001 - a case
    asked = api.put(f"{I1}/manage/segments/Big%20%26%20small/{verb}", body=body)
    await actions().switch_segment("i1", "Big & small", active=active)
    assert asked.call_count == 1


async def test_what_does_not_exist_is_named(api: RequestsMock) -> None:
    for address in (JOBS, DOCS_JOBS, f"{JOBS}/j/cancel", f"{DOCS_JOBS}/j/cancel"):
        api.post(address, status=404)
    api.put(f"{I1}/manage/segments/s/activate", status=404)
    with pytest.raises(NotFoundError, match="instance i1"):
        await actions().refresh("i1", refresh())
    with pytest.raises(NotFoundError, match="job 'j' in instance i1"):
        await actions().cancel("i1", "j")
    with pytest.raises(NotFoundError, match="segment 's' in instance i1"):
        await actions().switch_segment("i1", "s", active=True)


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_not_asked_for(api: RequestsMock, name: str) -> None:
    with pytest.raises(NotFoundError):
        await actions().cancel("i1", name)
    with pytest.raises(NotFoundError):
        await actions().switch_segment("i1", name, active=True)
    with pytest.raises(NotFoundError):
        await actions().refresh(name, refresh())
    assert not api.calls


async def test_what_the_api_refuses_comes_with_its_own_words(api: RequestsMock) -> None:
    api.post(JOBS, status=400, json={"message": "No such data source.", "target": "identifiers"})
    with pytest.raises(RefusedError) as caught:
        await actions().refresh("i1", refresh(scope="dataSources", identifiers=["x"]))
    assert (caught.value.words, caught.value.target) == ("No such data source.", "identifiers")


FAILURES: list[tuple[int | Exception, type[BridgeError]]] = [
    (403, AccessError),
    (409, ConflictError),
    (429, TransientError),
    (500, TransientError),
    (503, TransientError),
    (504, TimedOutError),
    (requests.ReadTimeout(), TimedOutError),
    (requests.ConnectionError(), TransientError),
]


@pytest.mark.parametrize(("failure", "error"), FAILURES, ids=str)
async def test_nothing_is_ever_done_twice(
    api: RequestsMock, failure: int | Exception, error: type[BridgeError]
) -> None:
    how: dict[str, Any] = {"status": failure} if isinstance(failure, int) else {"body": failure}
    asked = [
        api.post(JOBS, **how),
        api.post(f"{JOBS}/j/cancel", **how),
        api.put(f"{I1}/manage/segments/s/activate", **how),
    ]
    elsewhere = api.post(DOCS_JOBS, json=JOB)
    patient = ActionsClient(calls())
    with pytest.raises(error):
        await patient.refresh("i1", refresh())
    with pytest.raises(error):
        await patient.cancel("i1", "j")
    with pytest.raises(error):
        await patient.switch_segment("i1", "s", active=True)
    assert [one.call_count for one in asked] == [1, 1, 1]
    assert elsewhere.call_count == 0


async def test_a_call_that_a_stale_token_kept_out_is_made_with_the_next(api: RequestsMock) -> None:
    api.post(JOBS, status=401)
    api.post(JOBS, json=JOB)
    assert await actions(tokens=FakeTokens("old", "new")).refresh("i1", refresh()) == QUEUED
    assert len(api.calls) == 2


@pytest.mark.parametrize("body", ["", "[]", "{"])
async def test_a_job_whose_answer_is_unreadable_is_not_started_again(api: RequestsMock, body: str) -> None:
    asked = api.post(JOBS, body=body)
    with pytest.raises(PermanentError, match="may have been done"):
        await ActionsClient(calls()).refresh("i1", refresh())
    assert asked.call_count == 1


async def test_a_job_without_an_id_is_an_error(api: RequestsMock) -> None:
    api.post(JOBS, json={"jobStatus": "queued"})
    with pytest.raises(PermanentError, match="unreadable"):
        await actions().refresh("i1", refresh())
