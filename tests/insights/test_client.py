import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import responses
from responses import RequestsMock, matchers

from shared.domain.resources import (
    DataSource,
    Fault,
    Instance,
    Job,
    Measure,
    MeasureEvaluation,
    MeasureOutput,
    Node,
    Segment,
    SegmentEvaluation,
    Task,
)
from shared.errors import NotFoundError, PermanentError, TransientError
from shared.insights.client import InsightsClient
from tests.insights.fakes import ENDPOINT, KEY, TOKEN, calls, client

AT = datetime(2026, 8, 1, 1, 2, 3, 123456, tzinfo=UTC)
WIRE_AT = "2026-08-01T01:02:03.1234567Z"


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


def answers(api: RequestsMock, path: str, body: object, status: int = 200, **query: str) -> None:
    api.get(f"{ENDPOINT}{path}", json=body, status=status, match=[matchers.query_param_matcher(query)])


def asked(api: RequestsMock) -> list[str]:
    return [str(call.request.url).removeprefix(ENDPOINT).partition("?")[0] for call in api.calls]


async def test_sends_the_key_the_token_and_what_it_accepts(api: RequestsMock) -> None:
    answers(api, "/instances", [])
    await client().instances()
    sent = api.calls[0].request.headers
    assert sent["Ocp-Apim-Subscription-Key"] == KEY
    assert sent["Authorization"] == f"Bearer {TOKEN}"
    assert sent["Accept"] == "application/json"
    assert sent["Accept-Encoding"] == "gzip"


async def test_reads_instances(api: RequestsMock) -> None:
    answers(
        api, "/instances", [{"instanceId": "i1", "name": "One", "instanceType": "production"}, {"instanceId": "i2"}]
    )
    assert await client().instances() == [Instance("i1", "One"), Instance("i2")]


async def test_reads_data_sources_nested_or_flat(api: RequestsMock) -> None:
    source = {
        "dataSourceId": "d1",
        "name": "crm",
        "friendlyName": "CRM",
        "kind": "POWERQUERY",
        "refreshState": "UPDATEFAILED",
        "lastRefresh": WIRE_AT,
    }
    nested = {"dataSourceMetadata": source, "model": None}
    answers(api, "/instances/i1/manage/datasources", [nested, source | {"dataSourceId": "d2"}])
    expected = DataSource("d1", "crm", "CRM", "powerQuery", "updateFailed", AT)
    flat = DataSource("d2", "crm", "CRM", "powerQuery", "updateFailed", AT)
    assert await client().data_sources("i1") == [expected, flat]


async def test_reads_nodes_and_passes_over_those_that_name_no_object(api: RequestsMock) -> None:
    node = {
        "operationType": "Ingestion",
        "identifier": "d1",
        "friendlyName": "CRM",
        "taskStatus": "Failed",
        "jobIds": ["j2"],
        "endTimestamp": WIRE_AT,
        "lastSuccessJobIds": ["j1"],
        "lastSuccessfulTimestamp": "2026-07-31T00:00:00",
        "ciError": {"errorCode": "DS42", "message": "Credentials expired", "exceptionCulprit": "User"},
    }
    unnamed = [{"operationType": "merge"}, {"operationType": "merge", "identifier": ""}, {"identifier": "d9"}]
    answers(api, "/instances/i1/workflows/main/status", [node, *unnamed])
    assert await client().nodes("i1") == [
        Node(
            operation_type="ingestion",
            identifier="d1",
            status="failed",
            friendly_name="CRM",
            job_ids=("j2",),
            ended_at=AT,
            success_job_ids=("j1",),
            succeeded_at=datetime(2026, 7, 31, tzinfo=UTC),
            error=Fault("DS42", "Credentials expired", "user"),
            errors=(Fault("DS42", "Credentials expired", "user"),),
        )
    ]


async def test_reads_jobs_with_their_tasks(api: RequestsMock) -> None:
    task = {"taskId": "t1", "taskStatus": "Successful", "operationType": "Merge", "jobIds": ["j1"], "friendlyName": "m"}
    job = {
        "jobId": "j1",
        "jobType": "Full",
        "jobSubmissionKind": "ondemand",
        "jobStatus": "timedout",
        "operationType": "All",
        "submittedTimestamp": WIRE_AT,
        "endTimestamp": "0001-01-01T00:00:00",
        "tasks": [task],
    }
    answers(api, "/instances/i1/workflows/main/jobs", [job, {"jobId": "j0"}], top="20", includeTasks="true")
    full, bare = await client().jobs("i1", 20)
    assert full == Job(
        id="j1",
        status="timedOut",
        operation_type="all",
        submission_kind="onDemand",
        mode="full",
        submitted_at=AT,
        tasks=(Task("merge", "successful", "t1", "m", ("j1",)),),
    )
    assert bare == Job(id="j0", status="unknown")


async def test_reads_segments_and_asks_for_their_history_only_when_told_to(api: RequestsMock) -> None:
    segment = {
        "name": "gold",
        "friendlyName": "Gold",
        "evaluationStatus": {"jobStatus": "CompletedSuccess", "evaluationDate": WIRE_AT, "entityCount": "900"},
        "evaluationStatusHistory": [{"jobStatus": "completedfailure", "evaluationDate": WIRE_AT, "entityCount": None}],
    }
    answers(api, "/instances/i1/manage/segments", [segment | {"evaluationStatusHistory": None}])
    answers(api, "/instances/i1/manage/segments", [segment], includeHistoricStats="true", historicStatsDays="3")
    latest = SegmentEvaluation("completedSuccess", AT, 900)
    assert await client().segments("i1") == [Segment("gold", "Gold", latest)]
    history = (SegmentEvaluation("completedFailure", AT, None),)
    assert await client().segments("i1", history_days=3) == [Segment("gold", "Gold", latest, history)]


async def test_reads_measures_and_the_history_of_one(api: RequestsMock) -> None:
    evaluation = {"state": "Completed", "endTime": WIRE_AT}
    output = {"values": {"Total": "900.50"}, "evaluationTime": WIRE_AT}
    measure = {
        "name": "total & more",
        "displayName": "Total",
        "definition": {"isScalar": True, "dimensions": []},
        "latestEvaluation": evaluation,
        "output": output,
    }
    answers(api, "/instances/i1/manage/measures", [measure])
    answers(
        api,
        "/instances/i1/manage/measures/total%20%26%20more",
        measure | {"evaluationHistory": [evaluation], "outputHistory": [output]},
        includeHistoricStats="true",
        historicStatsDays="30",
    )
    ended, put_out = MeasureEvaluation("completed", AT), MeasureOutput(AT, Decimal("900.50"))
    expected = Measure("total & more", "Total", scalar=True, latest=ended, output=put_out)
    assert await client().measures("i1") == [expected]
    with_history = Measure("total & more", "Total", True, ended, put_out, (ended,), (put_out,))  # noqa: FBT003 - a record
    assert await client().measure("i1", "total & more", 30) == with_history


async def test_an_unreadable_measure_is_no_reason_to_try_again(api: RequestsMock) -> None:
    answers(api, "/instances/i1/manage/measures/m", {"name": 7}, includeHistoricStats="true", historicStatsDays="30")
    with pytest.raises(PermanentError, match="'m' of instance i1"):
        await client().measure("i1", "m", 30)


async def test_ids_and_names_are_quoted(api: RequestsMock) -> None:
    answers(api, "/instances/a%2Fb%3Fc%23d%25/manage/segments", [])
    await client().segments("a/b?c#d%")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_not_asked_for(api: RequestsMock, name: str) -> None:
    with pytest.raises(NotFoundError):
        await client().segments(name)
    with pytest.raises(NotFoundError):
        await client().measure("i1", name)
    assert not api.calls


CLIENT_JOBS, DOCS_JOBS = "/instances/i1/workflows/main/jobs", "/instances/i1/manage/workflows/main/jobs"
CLIENT_STATUS, DOCS_STATUS = "/instances/i1/workflows/main/status", "/instances/i1/manage/workflows/main/status"
CLIENT_SOURCES, DOCS_SOURCES = "/instances/i1/manage/datasources", "/instances/i1/manage/datasources/v2"


async def test_learns_the_layout_that_answers_per_kind_of_resource_and_tells_its_sibling(api: RequestsMock) -> None:
    answers(api, CLIENT_JOBS, {}, status=404, top="5", includeTasks="true")
    answers(api, DOCS_JOBS, [], top="5", includeTasks="true")
    answers(api, DOCS_STATUS, [])
    answers(api, CLIENT_SOURCES, [])
    api_calls = calls()
    insights, sibling = InsightsClient(api_calls), InsightsClient(api_calls.hurried())
    await insights.jobs("i1", 5)
    await insights.jobs("i1", 5)
    await sibling.nodes("i1")
    await insights.data_sources("i1")
    assert asked(api) == [CLIENT_JOBS, DOCS_JOBS, DOCS_JOBS, DOCS_STATUS, CLIENT_SOURCES]


async def test_a_layout_that_is_given_up_is_found_again(api: RequestsMock) -> None:
    answers(api, CLIENT_SOURCES, {}, 404)
    answers(api, DOCS_SOURCES, [])
    answers(api, DOCS_SOURCES, {}, 404)
    answers(api, CLIENT_SOURCES, [])
    insights = client()
    for _ in range(3):
        await insights.data_sources("i1")
    assert asked(api) == [CLIENT_SOURCES, DOCS_SOURCES, DOCS_SOURCES, CLIENT_SOURCES, CLIENT_SOURCES]


async def test_where_neither_layout_answers_nothing_is_learned(api: RequestsMock) -> None:
    answers(api, CLIENT_SOURCES, {"message": "No such instance"}, 404)
    answers(api, DOCS_SOURCES, {"message": "No such path"}, 404)
    insights = client()
    for _ in range(2):
        with pytest.raises(NotFoundError, match="No such instance"):
            await insights.data_sources("i1")
    assert asked(api) == [CLIENT_SOURCES, DOCS_SOURCES, CLIENT_SOURCES, DOCS_SOURCES]


async def test_what_one_instance_taught_says_nothing_of_another(api: RequestsMock) -> None:
    answers(api, CLIENT_SOURCES, {}, 404)
    answers(api, DOCS_SOURCES, [])
    answers(api, "/instances/i2/manage/datasources", [])
    insights = client()
    await insights.data_sources("i1")
    await insights.data_sources("i2")
    assert asked(api)[-1] == "/instances/i2/manage/datasources"


async def test_an_omission_is_warned_of_once_and_not_at_every_poll(
    api: RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    bad: list[Any] = [{"name": "ok"}, {"name": "bad", "evaluationStatus": {"entityCount": -1}}]
    answers(api, "/instances/i1/manage/segments", bad)
    api_calls = calls()
    insights, sibling = InsightsClient(api_calls), InsightsClient(api_calls.hurried())
    with caplog.at_level(logging.WARNING):
        for reader in (insights, insights, sibling):
            assert await reader.segments("i1") == [Segment("ok")]
    (warning,) = caplog.messages
    assert "instance i1" in warning
    assert "segment 'bad'" in warning
    assert "evaluationStatus.entityCount" in warning


async def test_an_answer_that_is_no_list_is_asked_for_again() -> None:
    with responses.RequestsMock() as api:
        for body in ("{}", "[{", json.dumps([{"name": "s"}])):
            api.get(f"{ENDPOINT}/instances/i1/manage/segments", body=body)
        assert await client().segments("i1") == [Segment("s")]


async def test_a_hurried_client_does_not_ask_again(api: RequestsMock) -> None:
    api.get(f"{ENDPOINT}/instances", body="<html>")
    with pytest.raises(TransientError, match="GET /instances"):
        await InsightsClient(calls().hurried()).instances()
    assert len(api.calls) == 1


async def test_reads_one_job_with_its_tasks(api: RequestsMock) -> None:
    task = {"taskId": "t1", "operationType": "ingestion", "taskStatus": "running"}
    body = {"jobId": "j 1", "jobStatus": "running", "tasks": [task]}
    answers(api, "/instances/i1/workflows/main/jobs/j%201", body, includeTasks="true")
    found = await client().job("i1", "j 1")
    assert (found.id, found.status, [one.id for one in found.tasks or ()]) == ("j 1", "running", ["t1"])
