import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from responses import RequestsMock, matchers

from shared.domain.catalog import DataSource, Instance, Job, JobTask, Measure, Node, Segment, Table
from shared.domain.events.wire import Error
from shared.errors import NotFoundError, PermanentError
from shared.insights.catalog import CatalogClient
from tests.insights.fakes import ENDPOINT, calls

HISTORY = {"includeHistoricStats": "true", "historicStatsDays": "30"}
AT = datetime(2026, 8, 1, 1, 2, 3, 123456, tzinfo=UTC)
WIRE_AT = "2026-08-01T01:02:03.1234567Z"
NEVER = "0001-01-01T00:00:00"
I1 = f"{ENDPOINT}/instances/i1"


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


def catalog() -> CatalogClient:
    return CatalogClient(calls().hurried())


def answers(api: RequestsMock, path: str, body: object, status: int = 200, **query: str) -> None:
    api.get(I1 + path, json=body, status=status, match=[matchers.query_param_matcher(query)])


async def test_instances(api: RequestsMock) -> None:
    full = {"instanceId": "i1", "name": "One", "instanceType": "production", "azureRegion": "westeurope", "new": 1}
    api.get(f"{ENDPOINT}/instances", json=[full, {"instanceId": "i2"}])
    assert await catalog().instances() == [
        Instance(instance_id="i1", name="One", instance_type="production", region="westeurope"),
        Instance(instance_id="i2"),
    ]


async def test_data_sources(api: RequestsMock) -> None:
    source = {
        "dataSourceId": "d1",
        "name": "crm",
        "friendlyName": "CRM",
        "kind": "POWERQUERY",
        "isActive": True,
        "provisioningState": "Active",
        "refreshState": "UpdateFailed",
        "lastRefresh": WIRE_AT,
        "entityNames": ["Contacts"],
    }
    answers(api, "/manage/datasources", [{"dataSourceMetadata": source}, {"dataSourceId": "d2", "lastRefresh": NEVER}])
    assert await catalog().data_sources("i1") == [
        DataSource(
            data_source_id="d1",
            name="crm",
            friendly_name="CRM",
            kind="powerQuery",
            is_active=True,
            provisioning_state="active",
            refresh_state="updateFailed",
            last_refresh_at=AT,
            tables=["Contacts"],
        ),
        DataSource(data_source_id="d2"),
    ]


SEGMENT = {
    "name": "gold",
    "friendlyName": "Gold",
    "description": "The best",
    "state": "Active",
    "evaluationStatus": {"jobStatus": "CompletedSuccess", "evaluationDate": WIRE_AT, "entityCount": 900},
}
GOLD = Segment(
    name="gold",
    friendly_name="Gold",
    description="The best",
    state="active",
    member_count=900,
    evaluation_status="completedSuccess",
    evaluated_at=AT,
)


async def test_segments_and_one_of_them(api: RequestsMock) -> None:
    answers(api, "/manage/segments", [SEGMENT, {"name": "new"}])
    for _ in range(2):
        answers(api, "/manage/segments", [SEGMENT, {"name": "new"}], **HISTORY)
    assert await catalog().segments("i1") == [GOLD, Segment(name="new")]
    assert await catalog().segment("i1", "gold") == GOLD
    with pytest.raises(NotFoundError, match="segment 'Gold' in instance i1"):
        await catalog().segment("i1", "Gold")


async def test_one_segment_shows_what_its_evaluations_found_oldest_first(api: RequestsMock) -> None:
    before = {"jobStatus": "CompletedSuccess", "evaluationDate": "2026-07-31T03:00:00Z", "entityCount": 800}
    failed = {"jobStatus": "CompletedFailure", "evaluationDate": "2026-07-30T03:00:00Z"}
    answers(api, "/manage/segments", [{**SEGMENT, "evaluationStatusHistory": [before, failed]}], **HISTORY)
    found = (await catalog().segment("i1", "gold")).history
    assert found is not None
    assert [(one.value, one.at) for one in found] == [(800, datetime(2026, 7, 31, 3, tzinfo=UTC)), (900, AT)]


async def test_measures_show_a_value_where_it_is_a_single_number(api: RequestsMock) -> None:
    output = {"values": {"Total": "900.50"}, "evaluationTime": WIRE_AT}
    evaluated = {"latestEvaluation": {"state": "Completed", "endTime": WIRE_AT}, "output": output}
    scalar = {"name": "m", "displayName": "M", "definition": {"isScalar": True}, **evaluated}
    other = {"name": "n", "definition": {"isScalar": False, "dimensions": [{"field": "City"}]}, **evaluated}
    answers(api, "/manage/measures", [scalar, other])
    answers(api, "/manage/measures/m", scalar, **HISTORY)
    one, two = await catalog().measures("i1")
    assert one == Measure(
        name="m",
        display_name="M",
        scalar=True,
        value="900.50",
        dimensions_schema={"type": "object", "properties": {}, "required": []},
        evaluation_status="completed",
        evaluated_at=AT,
    )
    assert one.model_dump(mode="json", by_alias=True)["value"] == 900.5
    assert (two.scalar, two.value, two.dimensions, two.dimensions_schema["required"]) == (
        False,
        None,
        ("City",),
        ["City"],
    )
    assert await catalog().measure("i1", "m") == one


ENTITY = {
    "name": "Orders",
    "qualifiedEntityName": "Shop_Orders",
    "entityType": "Profile",
    "dataSourceName": "Shop",
    "refreshTime": WIRE_AT,
    "attributes": [
        {"name": "Id", "friendlyName": "Order number", "dataType": "Edm.Int64"},
        {"name": "At", "dataType": "Edm.DateTimeOffset"},
        {"name": "Note"},
    ],
    "keys": [[{"name": "Id"}], ["Id", "At"]],
    "partitions": [{"name": "p", "location": "https://x.blob.core.windows.net/?sig=secret-sig"}],
}
ORDERS = Table(name="Orders", qualified_name="Shop_Orders", type="profile", data_source_name="Shop", refreshed_at=AT)


async def test_tables(api: RequestsMock) -> None:
    answers(api, "/manage/entities", {"instanceId": "i1", "entities": [ENTITY, {"name": "Customer"}]})
    assert await catalog().tables("i1") == [ORDERS, Table(name="Customer", qualified_name="Customer")]


async def test_a_table_shows_its_columns_its_keys_and_the_schema_of_its_rows(api: RequestsMock) -> None:
    answers(api, "/manage/entities/Shop_Orders", ENTITY)
    table = await catalog().table("i1", "Shop_Orders")
    assert [(column.name, column.friendly_name, column.data_type) for column in table.columns] == [
        ("Id", "Order number", "Edm.Int64"),
        ("At", None, "Edm.DateTimeOffset"),
        ("Note", None, None),
    ]
    assert table.keys == [["Id"], ["Id", "At"]]
    assert table.row_schema["properties"]["Id"] == {"type": "integer", "title": "Order number"}
    assert "secret-sig" not in table.model_dump_json()


@pytest.mark.parametrize("asked", ["Orders", "Shop_Orders"])
async def test_a_table_is_found_by_either_name(api: RequestsMock, asked: str) -> None:
    answers(api, f"/manage/entities/{asked}", {"message": "no"}, 404)
    answers(api, "/manage/entities", {"entities": [{"name": "Customer"}, ENTITY]})
    assert (await catalog().table("i1", asked)).qualified_name == "Shop_Orders"


async def test_the_qualified_name_of_one_table_wins_over_the_own_name_of_another(api: RequestsMock) -> None:
    answers(api, "/manage/entities/Orders", {}, 404)
    answers(api, "/manage/entities", {"entities": [ENTITY, {"name": "X", "qualifiedEntityName": "Orders"}]})
    assert (await catalog().table("i1", "Orders")).name == "X"


async def test_a_name_that_several_tables_have_finds_none_of_them(api: RequestsMock) -> None:
    twin = {"name": "Orders", "qualifiedEntityName": "Till_Orders"}
    answers(api, "/manage/entities/Orders", {}, 404)
    answers(api, "/manage/entities", {"entities": [ENTITY, twin]})
    with pytest.raises(NotFoundError, match="table 'Orders'"):
        await catalog().table("i1", "Orders")


async def test_a_table_that_is_not_there_is_named(api: RequestsMock) -> None:
    answers(api, "/manage/entities/Nothing", {}, 404)
    answers(api, "/manage/entities", {"entities": None})
    with pytest.raises(NotFoundError, match="table 'Nothing' in instance i1"):
        await catalog().table("i1", "Nothing")


JOB = {
    "jobId": "j1",
    "operationType": "All",
    "jobStatus": "Failed",
    "jobSubmissionKind": "OnDemand",
    "jobType": "Full",
    "submittedTimestamp": WIRE_AT,
    "endTimestamp": WIRE_AT,
}
TASK = {
    "operationType": "Segmentation",
    "friendlyName": "Gold",
    "taskStatus": "Failed",
    "endTimestamp": WIRE_AT,
    "ciError": {"errorCode": "E1", "message": "Broken"},
}


async def test_jobs_and_one_with_its_steps(api: RequestsMock) -> None:
    answers(api, "/workflows/main/jobs", [JOB, {"jobId": "j0"}], top="7")
    answers(api, "/workflows/main/jobs/j1", JOB | {"tasks": [TASK]}, includeTasks="true")
    brief, bare = await catalog().jobs("i1", 7)
    expected: dict[str, Any] = {
        "job_id": "j1",
        "operation_type": "all",
        "status": "failed",
        "submission_kind": "onDemand",
        "mode": "full",
        "submitted_at": AT,
        "completed_at": AT,
    }
    assert brief == Job(**expected)
    assert bare == Job(job_id="j0")
    error = Error(code="E1", message="Broken")
    step = JobTask(operation_type="segmentation", name="Gold", status="failed", completed_at=AT, error=error)
    assert await catalog().job("i1", "j1") == Job(**expected, tasks=[step])


async def test_nodes_also_those_that_name_no_object(api: RequestsMock) -> None:
    named = {"operationType": "Ingestion", "identifier": "d1", "taskStatus": "Successful", "jobIds": ["j1"]}
    named |= {"lastSuccessfulTimestamp": WIRE_AT}
    answers(api, "/workflows/main/status", [named, {"operationType": "Merge"}, {"operationType": "Match"}])
    found = await catalog().nodes("i1")
    assert found[0] == Node(
        operation_type="ingestion", identifier="d1", status="successful", job_ids=["j1"], last_succeeded_at=AT
    )
    assert [node.operation_type for node in found] == ["ingestion", "merge", "match"]


async def test_what_does_not_exist_is_named(api: RequestsMock) -> None:
    answers(api, "/manage/measures/m", {"message": "no"}, 404, **HISTORY)
    answers(api, "/workflows/main/jobs/j", {}, 404, includeTasks="true")
    answers(api, "/manage/workflows/main/jobs/j", {}, 404, includeTasks="true")
    with pytest.raises(NotFoundError, match="measure 'm' in instance i1"):
        await catalog().measure("i1", "m")
    with pytest.raises(NotFoundError, match="job 'j' in instance i1"):
        await catalog().job("i1", "j")


async def test_an_unreadable_item_is_left_out_and_named_in_a_warning(
    api: RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    good = {"name": "ok"}
    answers(api, "/manage/segments", [{"name": 5}, good, {"name": "bad", "evaluationStatus": {"entityCount": -1}}])
    answers(api, "/manage/measures", [good, {}])
    answers(api, "/manage/entities", {"entities": [{"name": "bad", "attributes": 5}, good]})
    answers(api, "/workflows/main/jobs", [{"jobId": "j1", "jobStatus": 5}, {"jobId": "j2"}], top="10")
    with caplog.at_level(logging.WARNING):
        assert [one.name for one in await catalog().segments("i1")] == ["ok"]
        assert [one.name for one in await catalog().measures("i1")] == ["ok"]
        assert [one.name for one in await catalog().tables("i1")] == ["ok"]
        assert [one.job_id for one in await catalog().jobs("i1", 10)] == ["j2"]
    assert len(caplog.messages) == 5
    assert any("segment 'bad'" in message for message in caplog.messages)


async def test_a_single_item_that_cannot_be_read_is_an_error(api: RequestsMock) -> None:
    answers(api, "/manage/measures/m", {"name": 5}, **HISTORY)
    with pytest.raises(PermanentError, match="'m' of instance i1 is unreadable"):
        await catalog().measure("i1", "m")


async def test_names_are_quoted(api: RequestsMock) -> None:
    answers(api, "/manage/measures/a%2Fb%20%25%27%3F%23%26%2B%C3%9F", {"name": "x"}, **HISTORY)
    assert (await catalog().measure("i1", "a/b %'?#&+ß")).name == "x"
