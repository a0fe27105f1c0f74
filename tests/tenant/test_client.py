"""Microsoft's own client reads every answer, and what it reads is what the tenant's state says.

The expectations are written from the records to the client's attributes, without the product's JSON. All of the
client's reads work; it declares no 404 for one data source and raises there, which is how it is used here.
"""

from datetime import timedelta

import pytest
from msrest.exceptions import HttpOperationError
from msrest.pipeline import ClientRawResponse

from local.tenant.life import Contoso, a_day, contoso
from local.tenant.life.retailer import BY_COUNTRY, CHURN, GATEWAY_DOWN, GOLD, LOYALTY, OPEN_CASES, REVENUE, SALES, SHOP
from local.tenant.records import Failure
from local.tenant.runs import Plan, run_full_refresh, run_unification
from tests.tenant.conftest import HEADERS, NOW, Served
from tests.tenant.expectations import (
    audit,
    expected_job,
    expected_measure,
    expected_node,
    expected_segment,
    expected_task,
    segment_fields,
    table,
)
from tests.tenant.reading import attributes, deviations


@pytest.fixture(autouse=True)
def busy_morning(world: Contoso) -> None:
    """One of everything: failures, work under way, evaluations that did not succeed, runs of each kind."""
    instance = world.instance
    at = NOW - timedelta(hours=1)
    instance.refresh_data_source(instance.data_source(SHOP).id, ok=False, at=at, error=GATEWAY_DOWN)
    instance.start_refresh(instance.data_source(SALES).id, at, status="queued")
    instance.start_refresh(instance.data_source(LOYALTY).id, at)
    instance.cancel_refresh(instance.data_source(LOYALTY).id, at)
    instance.evaluate_segment(GOLD, None, at, "CompletedFailure")
    instance.evaluate_segment(CHURN, None, at, "Running")
    instance.evaluate_measure(REVENUE, None, at, "failed")
    instance.evaluate_measure(OPEN_CASES, None, at, "running")
    run_unification(instance, at, Plan(kind="onDemand", mode="incremental"))
    failed = {("match", "match"): Failure("MatchFailed", "Out of memory.", "system")}
    run_full_refresh(instance, NOW - timedelta(minutes=5), Plan(failed=failed))


def read(answer: ClientRawResponse, wire_type: str) -> object:
    """The JSON of an answer that the client's models know in full."""
    assert answer.response.status_code == 200
    assert answer.response.headers["Content-Encoding"] == "gzip"
    assert list(deviations(answer.response.json(), wire_type)) == []
    return answer.output


def test_instances(served: Served, world: Contoso) -> None:
    (item,) = read(served.client().get_all_instances(custom_headers=HEADERS, raw=True), "[InstanceInfo]")
    assert attributes(item) == {
        "instance_id": world.instance.id,
        "name": "Contoso Retail",
        "instance_type": "production",
        "expiry_time_utc": None,
        "max_trial_extensions_allowed": 0,
        "trial_extension_history": None,
        "scale_unit_id": "ci-prod-weu-su1",
        "azure_region": "westeurope",
        "platform_type": "customerInsights",
    }


def test_one_instance(served: Served, world: Contoso) -> None:
    answer = served.client().get_instance_metadata(world.instance.id, custom_headers=HEADERS, raw=True)
    seen = attributes(read(answer, "InstanceMetadata"))
    assert seen.items() >= audit(world.instance.audit).items()
    assert seen["name"] == "Contoso Retail"
    assert seen["refresh_schedule"] == {
        "is_active": True,
        "timezone_id": "W. Europe Standard Time",
        "cron_schedules": ["0 2 * * *"],
        "schedule_id": world.instance.schedule_id,
        "instance_id": world.instance.id,
    }


def test_data_sources(served: Served, world: Contoso) -> None:
    answer = served.client().get_all_data_sources(world.instance.id, custom_headers=HEADERS, raw=True)
    items = read(answer, "[DataSourceInfo]")
    assert [item.model for item in items] == [None] * 5
    sources = list(world.instance.data_sources.values())
    assert [attributes(item.data_source_metadata) for item in items] == [
        {
            "kind": source.kind,
            "is_active": True,
            "entity_names": list(source.entity_names),
            "entities_count": len(source.entity_names),
            "data_source_id": source.id,
            "name": source.name,
            "friendly_name": source.friendly_name,
            "entity_information": [table(name) for name in source.entity_names],
            "provisioning_state": "active",
            "last_refresh": source.last_refresh,
            "refresh_state": source.refresh_state,
            "incremental_refresh_properties": [],
            "model_json_path": None,
            **audit(source.audit),
        }
        for source in sources
    ]


@pytest.mark.parametrize("include_model", [True, False])
def test_one_data_source(served: Served, world: Contoso, *, include_model: bool) -> None:
    source = world.instance.data_source(SHOP)
    answer = served.client().get_data_source(
        world.instance.id, source.id, include_model=include_model, custom_headers=HEADERS, raw=True
    )
    item = read(answer, "DataSourceInfo")
    assert item.data_source_metadata.data_source_id == source.id
    assert (item.model is not None) == include_model
    assert not include_model or (item.model.name, item.model.modified_time) == (source.name, source.audit.updated_at)


def test_an_unknown_data_source_raises_as_the_client_declares_no_404(served: Served, world: Contoso) -> None:
    with pytest.raises(HttpOperationError) as caught:
        served.client().get_data_source(world.instance.id, "nobody", custom_headers=HEADERS)
    assert list(deviations(caught.value.response.json(), "ApiErrorResult")) == []


@pytest.mark.parametrize("days", [None, 2, 10])
def test_segments(served: Served, world: Contoso, days: int | None) -> None:
    answer = served.client().get_all_segments(
        world.instance.id,
        include_historic_stats=days is not None,
        historic_stats_days=days or 10,
        custom_headers=HEADERS,
        raw=True,
    )
    items = read(answer, "[SegmentMetadata]")
    assert [segment_fields(attributes(item)) for item in items] == [
        expected_segment(segment, days) for segment in world.instance.segments.values()
    ]


def test_the_number_of_segments_is_capped(served: Served, world: Contoso) -> None:
    items = served.client().get_all_segments(world.instance.id, number_of_segments=2, custom_headers=HEADERS)
    assert [item.name for item in items] == list(world.instance.segments)[:2]


def test_measures(served: Served, world: Contoso) -> None:
    answer = served.client().get_a_list_of_measures_metadata(world.instance.id, custom_headers=HEADERS, raw=True)
    items = read(answer, "[MeasureMetadata]")
    assert [attributes(item) for item in items] == [
        expected_measure(measure, None) for measure in world.instance.measures.values()
    ]


@pytest.mark.parametrize("name", [REVENUE, OPEN_CASES, BY_COUNTRY])
@pytest.mark.parametrize("days", [None, 2, 30])
def test_one_measure(served: Served, world: Contoso, name: str, days: int | None) -> None:
    answer = served.client().get_metadata_for_a_measure(
        world.instance.id,
        name,
        include_historic_stats=days is not None,
        historic_stats_days=days or 30,
        custom_headers=HEADERS,
        raw=True,
    )
    seen = attributes(read(answer, "MeasureMetadata"))
    assert seen == expected_measure(world.instance.measures[name], days)


def test_status(served: Served, world: Contoso) -> None:
    answer = served.client().get_workflow_status(world.instance.id, "main", custom_headers=HEADERS, raw=True)
    items = read(answer, "[GraphNodeInfo]")
    assert [attributes(item) for item in items] == [
        expected_node(node) for node in world.instance.workflow.nodes.values()
    ]


@pytest.mark.parametrize("include_tasks", [True, False])
def test_jobs(served: Served, world: Contoso, *, include_tasks: bool) -> None:
    answer = served.client().get_list_of_recent_workflow_jobs(
        world.instance.id, "main", top=100, include_tasks=include_tasks, custom_headers=HEADERS, raw=True
    )
    items = read(answer, "[GraphJobInfo]")
    jobs = world.instance.workflow.jobs
    assert [attributes(item) for item in items] == [expected_job(job, with_tasks=include_tasks) for job in jobs]


def test_ten_jobs_are_listed_when_nothing_is_said(served: Served, world: Contoso) -> None:
    items = served.client().get_list_of_recent_workflow_jobs(world.instance.id, "main", custom_headers=HEADERS)
    assert [item.job_id for item in items] == [job.id for job in world.instance.workflow.jobs[:10]]


def test_one_job(served: Served, world: Contoso) -> None:
    job = world.instance.workflow.jobs[0]
    answer = served.client().get_a_workflow_job_information(
        world.instance.id, "main", job.id, include_tasks=True, custom_headers=HEADERS, raw=True
    )
    assert attributes(read(answer, "GraphJobInfo")) == expected_job(job, with_tasks=True)


def test_history(served: Served, world: Contoso) -> None:
    answer = served.client().get_list_of_workflow_task_information_history(
        world.instance.id, "main", top=5, custom_headers=HEADERS, raw=True
    )
    job = world.instance.workflow.jobs[0]
    items = read(answer, "[GraphTaskInfo]")
    assert [attributes(item) for item in items] == [expected_task(task, job) for task in job.tasks[:5]]


def test_an_unknown_instance_is_an_error_result(served: Served) -> None:
    answer = served.client().get_instance_metadata("nobody", custom_headers=HEADERS, raw=True)
    assert list(deviations(answer.response.json(), "ApiErrorResult")) == []
    assert attributes(answer.output) == {
        "exception": None,
        "http_status_code": "404",
        "exception_culprit": "user",
        "error_code": "CustomerInsightsApi404",
        "result_severity": "error",
        "message": "The instance was not found.",
        "name": "CustomerInsightsApi404",
        "params": {},
        "ci_results": [],
    }


def test_a_key_the_client_does_not_know_is_noticed() -> None:
    answer = [{"jobStatus": "finished", "tasks": [{"surprise": 1}], "submittedTimestamp": 5}]
    noticed = {line for line in deviations(answer, "[GraphJobInfo]") if not line.endswith("missing")}
    assert noticed == {
        "$[0].jobStatus has no value 'finished'",
        "$[0].tasks[0].surprise is unknown to the client",
        "$[0].submittedTimestamp is no iso-8601: 5",
    }


def test_a_day_adds_nothing_unknown_but_the_oddities_it_tells_of(served: Served) -> None:
    fresh = contoso(NOW)
    served.api.tenant = fresh.tenant
    for step in a_day(fresh):
        step.action(NOW + timedelta(seconds=step.offset))
    client, instance_id = served.client(), fresh.instance.id
    workflow = {"workflow_name": "main", "custom_headers": HEADERS, "raw": True}
    jobs = client.get_list_of_recent_workflow_jobs(instance_id, top=100, include_tasks=True, **workflow)
    status = client.get_workflow_status(instance_id, **workflow)
    sources = client.get_all_data_sources(instance_id, custom_headers=HEADERS, raw=True)
    assert list(deviations(jobs.response.json(), "[GraphJobInfo]")) == []
    assert list(deviations(status.response.json(), "[GraphNodeInfo]")) == []
    assert set(deviations(sources.response.json(), "[DataSourceInfo]")) == {
        "$[5].dataSourceMetadata.kind has no value 'oneLakeShortcut'",
        "$[5].dataSourceMetadata.refreshState has no value 'paused'",
    }
