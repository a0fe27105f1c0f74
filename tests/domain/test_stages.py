"""Stages: each stage of each job is told once, when all of its tasks have ended, whatever nobody knows of it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import jobs, stages
from shared.domain.jobs import JobMark, JobsState
from shared.domain.resources import Fault, Job, Task
from shared.insights.spelling import spelled

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
NOW = T0 + timedelta(days=1)
STATUSES = ["running", "queued", "successful", "failed", "timedOut", "aborted", "skipped"]
ENDED = {
    "successful": "succeeded",
    "failed": "failed",
    "timedOut": "timedOut",
    "aborted": "canceled",
    "skipped": "skipped",
}
KINDS = ["ingestion", "map", "Merge", "dataverseHydration", "brandNew", "BRANDNEW"]
progress = st.lists(st.sampled_from(STATUSES), min_size=1, max_size=4)


def job(*tasks: tuple[str, str], status: str = "running", errors: tuple[Fault, ...] = ()) -> Job:
    made = [
        Task(kind, status_, f"t{n}", None, (), T0 + timedelta(minutes=n) if status_ in ENDED else None, errors=errors)
        for n, (kind, status_) in enumerate(tasks)
    ]
    return Job("j", status, "all", "scheduled", "full", T0, NOW if status in ENDED else None, made)


def told(*polls: Job) -> list[tuple[str, str]]:
    state, found = JobsState(floor=T0 - timedelta(days=1)), []
    for poll in polls:
        state, events = jobs.compare(state, [poll], "i1", NOW)
        found += [event for event in events if ".Stage." in event.type]
        again, more = jobs.compare(state, [poll], "i1", NOW)
        assert (again is state, more) == (True, [])
        state = JobsState.model_validate_json(state.model_dump_json(exclude_defaults=True))
    assert len({event.id for event in found}) == len(found)
    return [(event.data["stage"], event.data["outcome"]) for event in found]


@given(st.lists(st.tuples(st.sampled_from(KINDS), progress), min_size=1, max_size=6), st.integers(1, 4))
def test_a_stage_is_told_once_when_the_last_of_its_tasks_has_ended(
    tasks: list[tuple[str, list[str]]], count: int
) -> None:
    polls = [[(kind, ways[min(n, len(ways) - 1)]) for kind, ways in tasks] for n in range(count)]
    over: dict[str, str] = {}
    for poll in polls:
        for name in {stages.stage_of(kind).casefold() for kind, _ in poll}:
            of_stage = [status for kind, status in poll if stages.stage_of(kind).casefold() == name]
            if all(status in ENDED for status in of_stage) and name not in over:
                bad = {"failed", "timedOut"} & set(of_stage)
                over[name] = (
                    "failed" if bad else "canceled" if "aborted" in of_stage
                    else "skipped" if set(of_stage) == {"skipped"} else "succeeded"
                )  # fmt: skip
    assert Counter((name.casefold(), outcome) for name, outcome in told(*(job(*poll) for poll in polls))) == Counter(
        over.items()
    )


def test_what_is_over_at_the_first_look_is_old() -> None:
    ended = job(("map", "successful"))
    state, events = jobs.compare(None, [ended], "i1", NOW)
    assert events == []
    assert jobs.compare(state, [ended], "i1", NOW)[1] == []


def test_what_an_earlier_release_knew_brings_no_stage_of_before() -> None:
    state = JobsState(known={"j": JobMark()}, floor=T0)
    state, events = jobs.compare(state, [job(("map", "successful"), ("export", "running"))], "i1", NOW)
    assert events == []
    _, events = jobs.compare(state, [job(("map", "successful"), ("export", "failed"))], "i1", NOW)
    assert [event.data["stage"] for event in events] == ["exports"]


def test_the_event_tells_the_tasks_and_the_warnings() -> None:
    warned = (Fault("W1", "A column is empty.", None, "warning"), Fault("R", "Try a filter.", None, "recommendation"))
    state = JobsState(floor=T0 - timedelta(days=1))
    _, events = jobs.compare(state, [job(("dataverseHydration", "successful"), errors=warned)], "i1", NOW)
    (event,) = events
    assert event.raw["subject"] == "jobs/j/dataverseSync"
    assert event.data["taskCounts"] == {"succeeded": 1, "failed": 0, "skipped": 0}
    assert event.data["warnings"] == [{"code": "W1", "message": "A column is empty."}]
    assert event.data["summary"] == "The sync to Dataverse succeeded. It warns: A column is empty."


@pytest.mark.parametrize("operation_type", stages.PARTS)
def test_each_operation_type_of_the_table_is_spelled_as_customer_insights_does(operation_type: str) -> None:
    assert spelled(operation_type.upper()) == operation_type


def test_a_task_without_operation_type_is_of_no_stage() -> None:
    assert told(job(("unknown", "successful"))) == []
