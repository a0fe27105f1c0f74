"""Microsoft's own client reads tables and acts: rows, jobs, segments."""

import json
from collections.abc import Callable

import pytest
from msrest.exceptions import HttpOperationError
from msrest.pipeline import ClientRawResponse

from local.tenant.life import Contoso
from local.tenant.life.retailer import BY_COUNTRY, GOLD, SHOP
from local.tenant.tables import Table
from tests.tenant.conftest import HEADERS, NOW, Served
from tests.tenant.expectations import expected_job
from tests.tenant.reading import CustomerInsights, attributes, deviations, models

RAW = {"custom_headers": HEADERS, "raw": True}


@pytest.fixture
def client(served: Served) -> CustomerInsights:
    return served.client()


@pytest.fixture
def instance_id(world: Contoso) -> str:
    return world.instance.id


def read(answer: ClientRawResponse, wire_type: str, status: int = 200) -> object:
    """What the client makes of an answer whose JSON its models know in full."""
    assert answer.response.status_code == status, answer.response.text
    assert list(deviations(answer.response.json(), wire_type)) == []
    return answer.output


def assert_describes(entity: object, table: Table) -> None:
    seen = attributes(entity)
    assert seen["qualified_entity_name"] == table.name
    assert seen["entity_type"] == table.entity_type
    assert seen["refresh_time"] == table.refreshed_at
    assert [(each["name"], each["data_type"]) for each in seen["attributes"]] == list(table.columns.items())
    assert [[each["name"] for each in key] for key in seen["keys"]] == [list(table.keys)]
    assert [(each["name"], each["refresh_time"]) for each in seen["partitions"]] == [
        (each.name, table.refreshed_at) for each in table.partitions
    ]
    source = table.source
    assert (seen["datasource_id"], seen["data_source_name"]) == ((source.id, source.name) if source else (None, None))


def test_entities(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    model = read(client.get_all_entity_metadata(instance_id, **RAW), "IC360EntityModel")
    assert model.instance_id == instance_id
    for entity, table in zip(model.entities, world.instance.tables.values(), strict=True):
        assert_describes(entity, table)
    assert [entity.name for entity in model.entities] == ["Customer", "UnifiedActivity", "WebOrders", BY_COUNTRY]


def test_one_entity(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    entity = read(client.get_entity_metadata(instance_id, "WebShop_WebOrders", **RAW), "IEntityMetadata")
    assert_describes(entity, world.instance.tables["WebShop_WebOrders"])
    read(client.get_entity_metadata(instance_id, "Nothing", **RAW), "ApiErrorResult", 404)


def test_rows(client: CustomerInsights, instance_id: str) -> None:
    answer = client.get_entities_with_odata_path(
        instance_id,
        "Customer",
        filter="Country eq 'Spain'",
        select="CustomerId,LifetimeValue",
        orderby="LifetimeValue desc",
        top="2",
        skip="1",
        **RAW,
    )
    payload = read(answer, "ODataEntityPayload")
    assert payload.odatacount == 30
    assert payload.value == [
        {"CustomerId": "C-00113", "LifetimeValue": 2258.87},
        {"CustomerId": "C-00109", "LifetimeValue": 2178.91},
    ]


def test_one_row_which_the_client_has_no_model_for(client: CustomerInsights, instance_id: str) -> None:
    answer = client.get_entities_with_odata_path(instance_id, "Customer('C-00001')", **RAW)
    assert answer.response.json()["FirstName"] == "Björn"


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [("Nothing", {}, 404), ("Customer('nobody')", {}, 404), ("Customer", {"filter": "Shoe eq 1"}, 400)],
)
def test_what_odata_refuses(
    client: CustomerInsights, instance_id: str, path: str, options: dict[str, str], status: int
) -> None:
    read(client.get_entities_with_odata_path(instance_id, path, **options, **RAW), "ODataError", status)


def test_a_row_is_made_and_changed(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    # The client takes the row as text, and sends that text as a JSON string.
    row, change = json.dumps({"CustomerId": "it's/new", "City": "Brno"}), json.dumps({"City": "Leeds"})
    made = read(client.create_an_entity(instance_id, "Customer", body=row, **RAW), "CreatedResult", 201)
    assert (made.status_code, made.value["City"]) == (201, "Brno")
    changed = client.update_an_entity(instance_id, "Customer", "it's/new", body=change, **RAW)
    assert changed.response.status_code == 204
    assert world.instance.tables["Customer"].rows[-1] == {"CustomerId": "it's/new", "City": "Leeds"}
    read(client.create_an_entity(instance_id, "Customer", body=row, **RAW), "ODataError", 409)
    read(client.update_an_entity(instance_id, "Customer", "nobody", body=change, **RAW), "ODataError", 404)
    wrong = json.dumps({"CustomerId": "x", "Shoe": 1})
    read(client.create_an_entity(instance_id, "Customer", body=wrong, **RAW), "ODataError", 400)


def test_a_job_is_submitted_and_cancelled(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    source = world.instance.data_source(SHOP)
    answer = client.submit_a_workflow_job(
        instance_id, "main", operation_type="Ingestion", identifiers=[source.id], force_run_requested=True, **RAW
    )
    job = world.instance.workflow.jobs[0]
    expected = {**expected_job(job, with_tasks=False), "should_force_run_requested_nodes": True}
    assert attributes(read(answer, "GraphJobInfo")) == expected
    assert (job.status, job.operation, job.kind, job.submitted_at) == ("queued", "ingestion", "onDemand", NOW)
    assert (job.identifiers, [task.step.identifier for task in job.tasks]) == ((source.id,), [source.id])
    assert source.refresh_state == "updating"
    listed = client.get_list_of_recent_workflow_jobs(instance_id, "main", custom_headers=HEADERS)
    assert (listed[0].job_id, listed[0].job_status) == (job.id, "queued")

    stopped = read(client.cancel_a_workflow_job(instance_id, "main", job.id, **RAW), "GraphJobInfo")
    assert (stopped.job_id, stopped.job_status, stopped.end_timestamp) == (job.id, "aborted", NOW)
    assert (job.tasks[0].status, source.refresh_state) == ("aborted", "updateCancelled")
    read(client.cancel_a_workflow_job(instance_id, "main", "nobody", **RAW), "ApiErrorResult", 404)


def test_a_job_that_has_ended_cannot_be_undone(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    job = world.instance.workflow.jobs[0]
    ended = (job.status, job.ended_at)
    client.cancel_a_workflow_job(instance_id, "main", job.id, custom_headers=HEADERS)
    assert (job.status, job.ended_at) == ended


def test_a_job_is_what_the_body_says(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    body = models.OnDemandJobRequest(
        operation_type="merge",
        job_type="incremental",
        identifiers=["a", "b"],
        options=models.GraphJobOptions(run_downstream_after_merge=False),
    )
    answer = client.submit_a_workflow_job(instance_id, "main", body=body, **RAW)
    job = world.instance.workflow.jobs[0]
    assert attributes(read(answer, "GraphJobInfo")) == expected_job(job, with_tasks=False)
    assert (job.operation, job.mode, job.identifiers, job.run_downstream) == ("merge", "incremental", ("a", "b"), False)


@pytest.mark.parametrize("operation", ["everything", None])
def test_an_unknown_operation_raises_as_the_client_declares_no_400(
    client: CustomerInsights, instance_id: str, world: Contoso, operation: str | None
) -> None:
    before = len(world.instance.workflow.jobs)
    with pytest.raises(HttpOperationError) as caught:
        client.submit_a_workflow_job(instance_id, "main", operation_type=operation, custom_headers=HEADERS)
    assert caught.value.response.status_code == 400
    assert list(deviations(caught.value.response.json(), "ApiErrorResult")) == []
    assert len(world.instance.workflow.jobs) == before


def test_a_submitted_refresh_is_run_like_any_other(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    source = world.instance.data_source(SHOP)
    client.submit_a_workflow_job(
        instance_id, "main", operation_type="ingestion", identifiers=[source.id], custom_headers=HEADERS
    )
    world.instance.end_refresh(source.id, ok=True, at=NOW)
    assert (world.instance.workflow.jobs[0].status, source.last_refresh) == ("successful", NOW)


def test_a_segment_is_switched_off_and_on(client: CustomerInsights, instance_id: str, world: Contoso) -> None:
    segment = world.instance.segments[GOLD]

    def switch(call: Callable[..., ClientRawResponse]) -> tuple[object, str]:
        return read(call(instance_id, GOLD, **RAW), "bool"), segment.state

    assert switch(client.deactivate_segment) == (True, "inactive")
    listed = client.get_all_segments(instance_id, custom_headers=HEADERS)
    assert {item.name: item.state for item in listed}[GOLD] == "inactive"
    assert switch(client.activate_segment) == (True, "active")
    assert (segment.audit.version, segment.audit.updated_at) == (3, NOW)
    for call in (client.activate_segment, client.deactivate_segment):
        read(call(instance_id, "nobody", **RAW), "ApiErrorResult", 404)
