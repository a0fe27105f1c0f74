from datetime import timedelta
from decimal import Decimal

import pytest

from local.tenant.actions import submit_job
from local.tenant.model import EXPIRED, Instance, Tenant
from local.tenant.records import ALL, INGESTION, MATCH, MEASURES, MERGE, SEGMENTATION, Failure, Task
from local.tenant.runs import Plan, run_full_refresh, run_unification
from tests.tenant.conftest import NOW

LATER = NOW + timedelta(minutes=10)
BROKEN = Failure("Broken", "It is broken.")


@pytest.fixture
def instance() -> Instance:
    instance = Tenant().add_instance("Test", NOW)
    instance.add_data_source("Shop", NOW)
    instance.add_segment("Gold", 10, NOW)
    instance.add_measure("Revenue", 100, NOW)
    return instance


def only_source(instance: Instance) -> str:
    return next(iter(instance.data_sources))


def outcomes(tasks: list[Task]) -> dict[str, str]:
    return {task.step.operation: task.status for task in tasks}


@pytest.mark.parametrize(
    ("ok", "status", "state", "refreshed_at", "failure"),
    [(True, "successful", "updated", LATER, None), (False, "failed", "updateFailed", NOW, EXPIRED)],
)
def test_the_three_feeds_tell_the_same_of_a_refresh(  # noqa: PLR0913, PLR0917 - the columns of the table
    instance: Instance,
    ok: bool,  # noqa: FBT001 - a column of the table
    status: str,
    state: str,
    refreshed_at: object,
    failure: Failure | None,
) -> None:
    source_id = only_source(instance)
    job = instance.refresh_data_source(source_id, ok, LATER)
    source, node, (task,) = instance.data_sources[source_id], instance.workflow.nodes[INGESTION, source_id], job.tasks
    assert (source.refresh_state, source.last_refresh) == (state, refreshed_at)
    assert (node.status, node.ended_at, node.job_ids, node.failure) == (status, LATER, (job.id,), failure)
    assert (task.status, task.ended_at, task.failure) == (status, LATER, failure)
    assert (job.status, job.ended_at, job.identifiers) == (status, LATER, (source_id,))
    assert node.succeeded_at == refreshed_at


def test_a_refresh_under_way_shows_as_such(instance: Instance) -> None:
    source_id = only_source(instance)
    job = instance.start_refresh(source_id, LATER, status="queued")
    assert (job.status, job.tasks[0].status, job.ended_at) == ("queued", "queued", None)
    assert instance.data_sources[source_id].refresh_state == "updating"
    assert instance.workflow.nodes[INGESTION, source_id].status == "queued"


def test_a_failed_attempt_heals_within_its_job(instance: Instance) -> None:
    source_id = only_source(instance)
    job = instance.start_refresh(source_id, NOW)
    instance.fail_attempt(source_id, LATER, error=BROKEN)
    assert (job.status, job.tasks[0].status, job.tasks[0].failure) == ("running", "failed", BROKEN)
    assert instance.data_sources[source_id].refresh_state == "updating"
    instance.end_refresh(source_id, ok=True, at=LATER)
    assert (job.status, [(task.status, task.failure) for task in job.tasks]) == ("successful", [("successful", None)])


def test_a_cancelled_refresh_neither_succeeds_nor_fails(instance: Instance) -> None:
    source_id = only_source(instance)
    instance.start_refresh(source_id, NOW)
    job = instance.cancel_refresh(source_id, LATER)
    assert (job.status, instance.data_sources[source_id].refresh_state) == ("aborted", "updateCancelled")


def test_nothing_ends_that_has_not_begun(instance: Instance) -> None:
    with pytest.raises(LookupError, match="No ingestion of Shop is under way"):
        instance.end_refresh(only_source(instance), ok=True, at=LATER)


def test_a_running_evaluation_gives_way_to_its_result(instance: Instance) -> None:
    instance.evaluate_segment("Gold", None, NOW, "Running")
    instance.evaluate_segment("Gold", 11, LATER)
    instance.evaluate_measure("Revenue", None, NOW, "running")
    instance.evaluate_measure("Revenue", Decimal("99.90"), LATER)
    assert [each.count for each in instance.segments["Gold"].evaluations] == [10, 11]
    assert [each.values for each in instance.measures["Revenue"].evaluations] == [
        {"Revenue": "100"},
        {"Revenue": "99.90"},
    ]
    assert len([job for job in instance.workflow.jobs if job.status == "running"]) == 0


def test_a_failed_evaluation_leaves_the_last_value(instance: Instance) -> None:
    instance.evaluate_segment("Gold", 99, LATER, "CompletedFailure")
    instance.evaluate_measure("Revenue", 99, LATER, "failed")
    assert (instance.count("Gold"), instance.value("Revenue")) == (10, Decimal(100))


def test_an_evaluation_of_a_measure_starts_before_it_ends(instance: Instance) -> None:
    instance.evaluate_measure("Revenue", 1, LATER, took=timedelta(seconds=5))
    latest = instance.measures["Revenue"].evaluations[-1]
    assert (latest.started_at, latest.ended_at) == (LATER - timedelta(seconds=5), LATER)


def test_a_full_refresh_runs_everything(instance: Instance) -> None:
    job = run_full_refresh(instance, LATER, Plan(counts={"Gold": 12}, values={"Revenue": Decimal(7)}))
    assert (job.operation, job.status, job.ended_at) == (ALL, "successful", LATER)
    assert list(outcomes(job.tasks)) == [INGESTION, "map", MATCH, MERGE, SEGMENTATION, MEASURES]
    assert set(outcomes(job.tasks).values()) == {"successful"}
    assert (instance.count("Gold"), instance.value("Revenue")) == (12, Decimal(7))
    ends = [task.ended_at for task in job.tasks]
    assert ends == sorted(ends, key=str)
    assert instance.data_sources[only_source(instance)].last_refresh == ends[0]


@pytest.mark.parametrize("failing", [INGESTION, MATCH])
def test_what_depends_on_a_failed_step_is_skipped(instance: Instance, failing: str) -> None:
    key = (INGESTION, only_source(instance)) if failing == INGESTION else (MATCH, MATCH)
    job = run_full_refresh(instance, LATER, Plan(failed={key: BROKEN}, counts={"Gold": 99}))
    seen = outcomes(job.tasks)
    assert (job.status, seen[failing], seen[MERGE], seen[SEGMENTATION]) == ("failed", "failed", "skipped", "skipped")
    assert instance.count("Gold") == 10


def test_a_failed_measure_holds_nothing_up(instance: Instance) -> None:
    job = run_full_refresh(instance, LATER, Plan(failed={(MEASURES, "Revenue"): BROKEN}))
    assert job.status == "failed"
    assert outcomes(job.tasks)[MERGE] == outcomes(job.tasks)[SEGMENTATION] == "successful"


def test_a_stopped_run_evaluates_nothing(instance: Instance) -> None:
    job = run_full_refresh(instance, LATER, Plan(outcome="aborted", counts={"Gold": 99}))
    assert (job.status, set(outcomes(job.tasks).values()), instance.count("Gold")) == ("aborted", {"aborted"}, 10)


def test_a_unification_has_no_other_steps(instance: Instance) -> None:
    job = run_unification(instance, LATER, Plan(kind="onDemand"))
    assert list(outcomes(job.tasks)) == ["map", "match", "merge"]
    assert (job.kind, job.run_downstream) == ("onDemand", False)


@pytest.mark.parametrize(("ok", "outcome"), [(True, "successful"), (False, "failed")])
def test_a_job_for_several_sources_ends_with_the_last_of_them(instance: Instance, *, ok: bool, outcome: str) -> None:
    first, second = only_source(instance), instance.add_data_source("Till", NOW).id
    job = submit_job(instance, INGESTION, NOW, identifiers=[first, second])
    instance.end_refresh(first, ok=ok, at=NOW)
    assert (job.status, instance.data_sources[second].refresh_state) == ("queued", "updating")
    instance.end_refresh(second, ok=True, at=LATER)
    assert (job.status, job.ended_at) == (outcome, LATER)
    assert instance.data_sources[first].refresh_state == ("updated" if ok else "updateFailed")
