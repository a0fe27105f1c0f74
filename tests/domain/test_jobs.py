"""Jobs: each full refresh and each unification is told once, when it ends."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.events.envelope import Event
from shared.domain.jobs import ASKED_FOR, MAX_ASKED, JobsState, compare, enough, to_ask
from shared.domain.resources import Fault, Job, Task

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
NOW = T0 + timedelta(days=1)
SYSTEM, UNIFICATION = "CustomerInsights.System.RefreshCompleted", "CustomerInsights.Unification.RefreshCompleted"
MAX_EVENT_BYTES = 49_152


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def task(kind: str, end: float | None, status: str = "successful", name: str | None = None) -> Task:
    return Task(kind, status if end is not None else "running", f"t-{kind}", name, (), None if end is None else at(end))


def job(  # noqa: PLR0913, PLR0917 - what a test may want different
    id_: str,
    start: float,
    end: float | None = None,
    status: str = "successful",
    kind: str = "all",
    tasks: Sequence[Task] | None = None,
) -> Job:
    ended_at = None if end is None else at(end)
    status = status if end is not None else "running"
    return Job(id_, status, kind, "scheduled", "full", at(start), ended_at, tasks)


def run(*polls: Sequence[Job]) -> list[Event]:
    """What is told of whole jobs and unifications; of stages, `test_stages` has more."""
    return [event for event in everything(*polls) if not event.type.startswith("CustomerInsights.Stage.")]


def everything(*polls: Sequence[Job]) -> list[Event]:
    state: JobsState | None = None
    found: list[Event] = []
    for poll in polls:
        state, events = compare(state, poll, "i1", NOW)
        found += events
        again, more = compare(state, poll, "i1", NOW)
        assert again is state
        assert more == []
        state = JobsState.model_validate_json(state.model_dump_json(exclude_defaults=True))
    return found


def told(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    return [(e.type.split(".")[1], e.data["jobId"], e.data["outcome"]) for e in events]


def test_what_is_there_at_first_is_only_remembered() -> None:
    assert run([job("b", 60), job("a", 0, 30, tasks=[task("merge", 20)])]) == []


def test_a_job_that_ends_is_told_once() -> None:
    events = run([job("a", 0)], [job("a", 0, 30)], [job("a", 0, 30)])
    assert told(events) == [("System", "a", "succeeded")]
    assert events[0].time == at(30)
    assert events[0].raw["subject"] == "jobs/a"


def test_a_merge_is_told_before_its_job_ends() -> None:
    running = job("a", 0, tasks=[task("map", 5), task("match", None), task("merge", None)])
    merged = job("a", 0, tasks=[task("map", 5), task("match", 8), task("merge", 10)])
    ended = job("a", 0, 30, tasks=[task("map", 5), task("match", 8), task("merge", 10)])
    events = run([running], [merged], [ended])
    assert told(events) == [("Unification", "a", "succeeded"), ("System", "a", "succeeded")]
    assert [e.time for e in events] == [at(10), at(30)]
    assert [step["operationType"] for step in events[0].data["steps"]] == ["map", "match", "merge"]


def test_a_job_seen_only_after_its_end_brings_both_events_in_time_order() -> None:
    events = run([job("a", 0, 30)], [job("b", 40, 70, tasks=[task("merge", 50)]), job("a", 0, 30)])
    assert told(events) == [("Unification", "b", "succeeded"), ("System", "b", "succeeded")]


def test_a_run_without_merge_is_no_unification() -> None:
    events = run([job("z", -9, -1)], [job("a", 0, 30, kind="match", tasks=[task("match", 20)]), job("z", -9, -1)])
    assert events == []


def test_only_a_full_refresh_is_a_system_refresh() -> None:
    jobs = [job("u", 0, 30, kind="unification", tasks=[task("merge", 20)]), job("s", 0, 30, kind="segmentation")]
    assert told(run([job("z", -9, -1)], [*jobs, job("z", -9, -1)])) == [("Unification", "u", "succeeded")]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("successful", "succeeded"),
        ("failed", "failed"),
        ("timedOut", "timedOut"),
        ("aborted", "canceled"),
        ("skipped", "skipped"),
    ],
)
def test_every_outcome_is_told(status: str, outcome: str) -> None:
    ended = job("a", 0, 30, status, tasks=[task("merge", 20, status)])
    assert told(run([job("a", 0)], [ended])) == [("Unification", "a", outcome), ("System", "a", outcome)]


@pytest.mark.parametrize("status", ["running", "queued", "brandNew", "deleted", "unknown"])
def test_what_is_no_known_end_is_not_told(status: str) -> None:
    odd = job("a", 0, 30, status, tasks=[task("merge", 20, "brandNew")])
    assert run([job("a", 0)], [odd]) == []


def test_an_unknown_status_that_becomes_a_known_one_is_told() -> None:
    assert told(run([job("a", 0)], [job("a", 0, 30, "brandNew")], [job("a", 0, 31)])) == [("System", "a", "succeeded")]


def test_a_job_that_left_the_window_and_comes_back_is_old() -> None:
    old, new = job("a", 0, 30, tasks=[task("merge", 20)]), job("b", 40, 70)
    assert told(run([job("a", 0)], [old], [new, old], [new], [new, old])) == [
        ("Unification", "a", "succeeded"),
        ("System", "a", "succeeded"),
        ("System", "b", "succeeded"),
    ]


def test_an_older_job_in_a_longer_list_is_old() -> None:
    older = job("z", -60, -30, tasks=[task("merge", -40)])
    assert run([job("a", 0, 30)], [job("a", 0, 30), older]) == []


def test_an_empty_list_for_once_brings_nothing_again() -> None:
    ended = [job("b", 40, 70, tasks=[task("merge", 50)]), job("a", 0, 30)]
    assert run(ended, [], ended) == []
    seen = run([job("b", 40), job("a", 0, 30)], [], ended)
    assert told(seen) == [("Unification", "b", "succeeded"), ("System", "b", "succeeded")]


def test_a_job_that_ended_long_before_the_first_poll_is_no_news_when_it_shows_later() -> None:
    assert run([job("b", 40, 50)], [job("b", 40, 50), job("a", 0, 30, tasks=[task("merge", 20)])]) == []


def test_the_first_job_of_a_new_instance_is_told() -> None:
    state, _ = compare(None, [], "i1", at(-10))
    _, events = compare(state, [job("a", 0, 30)], "i1", at(31))
    assert told(events) == [("System", "a", "succeeded")]


def test_a_list_is_long_enough_when_it_reaches_what_is_known() -> None:
    state, _ = compare(None, [job("b", 40), job("a", 0, 30)], "i1", NOW)
    assert enough(None, [])
    assert not enough(state, [job("c", 80)])
    assert enough(state, [job("c", 80), job("b", 40)])
    assert enough(state, [job("c", 80), job("a", 0, 30)])


@pytest.mark.parametrize("seen", [[], [job("open", -60)]])
def test_what_ended_before_the_first_look_is_no_news(seen: list[Job]) -> None:
    state, _ = compare(None, seen, "i1", at(0))
    assert enough(state, [job("b", 10, 20), job("a", -30, -20)]) == (not seen)
    late = [job("c", 10, 20), *(job(f"old{n}", -30 * n, -30 * n + 10) for n in range(3, 100)), *seen]
    _, events = compare(state, late, "i1", at(21))
    assert told(events) == [("System", "c", "succeeded")]


def test_an_end_in_the_future_makes_nothing_old() -> None:
    odd = job("odd", 0, 60 * 24 * 900)
    state, _ = compare(None, [odd], "i1", at(1))
    found = list[Event]()
    for n in range(1, 6):
        state, events = compare(state, [job(f"j{n}", 10 * n, 10 * n + 5)], "i1", at(10 * n + 6))
        found += events
    assert [job_id for _, job_id, _ in told(found)] == [f"j{n}" for n in range(1, 6)]


def test_jobs_that_stay_open_are_asked_for_in_turn_and_not_for_ever() -> None:
    stuck = [job(f"stuck{n}", n) for n in range(5)]
    state, _ = compare(None, [*reversed(stuck)], "i1", at(9))
    asked = Counter[str]()
    for minute in range(10, 20):
        newest = [job("new", 9, 9.5)]
        now_asked = to_ask(state, newest, at(minute))
        assert len(now_asked) <= MAX_ASKED
        asked.update(now_asked)
        state, _ = compare(state, newest, "i1", at(minute))
    assert set(asked) == {one.id for one in stuck}
    later = at(20) + ASKED_FOR
    state, _ = compare(state, [job("new", 9, 9.5)], "i1", later)
    assert to_ask(state, [], later) == []
    _, events = compare(state, [job("new", 9, 9.5), job("stuck3", 3, 12_000)], "i1", later)
    assert told(events) == [("System", "stuck3", "succeeded")]


def test_an_open_job_that_is_no_more_is_forgotten() -> None:
    state, _ = compare(None, [job("b", 5, 6), job("a", 0)], "i1", at(9))
    state, events = compare(state, [job("b", 5, 6)], "i1", at(10), gone=["a"])
    assert (events, to_ask(state, [], at(11))) == ([], [])


def test_a_system_refresh_tells_its_tasks() -> None:
    failed = Task(
        "segmentation", "failed", "t1", "Churn", (), at(20), Fault("S7", "A column is missing.", "user", "error")
    )
    late = Task("export", "timedOut", "t2", None, (), at(25), None)
    (event,) = run(
        [job("a", 0)], [job("a", 0, 30, "failed", tasks=[task("map", 5), failed, late, task("x", 6, "skipped")])]
    )
    assert event.data == {
        "instanceId": "i1",
        "jobId": "a",
        "outcome": "failed",
        "submissionKind": "scheduled",
        "mode": "full",
        "submittedAt": "2026-11-20T03:00:00Z",
        "completedAt": "2026-11-20T03:30:00Z",
        "durationSeconds": 1800.0,
        "taskCounts": {"succeeded": 1, "failed": 1, "timedOut": 1, "skipped": 1},
        "failedTasks": [
            {
                "operationType": "segmentation",
                "name": "Churn",
                "error": {"code": "S7", "message": "A column is missing.", "culprit": "user", "severity": "error"},
            },
            {"operationType": "export"},
        ],
        "summary": "The full refresh failed. Churn failed. A column is missing.",
    }


def test_an_event_stays_small_however_many_tasks_failed() -> None:
    fault = Fault("é" * 5_000, "日本語😀" * 5_000, "ü" * 5_000, "ß" * 5_000)
    tasks = [Task("segmentation", "failed", f"t{n}", "名前" * 3_000, (), at(20), fault) for n in range(5_000)]
    tasks += [Task("merge", "failed", f"m{n}", "名前" * 3_000, (), at(20), fault) for n in range(500)]
    events = run([job("a", 0)], [job("a", 0, 30, "failed", tasks=tasks)])
    assert len(events) == 2
    assert all(len(event.encode().encode()) < MAX_EVENT_BYTES for event in events)
    system = next(event for event in events if event.type == SYSTEM)
    assert system.data["taskCounts"]["failed"] == 5_500
    assert 0 < len(system.data["failedTasks"]) < 5_000


def test_ids_are_the_same_for_the_same_and_differ_for_others() -> None:
    ended = [job(id_, 0, 30, tasks=[task("merge", 20)]) for id_ in "abc"]
    running = [job(id_, 0) for id_ in "abc"]
    first, second = run(running, ended), run(running, ended)
    assert [e.encode() for e in first] == [e.encode() for e in second]
    assert len({e.id for e in first}) == 6
    state, _ = compare(None, running, "i2", NOW)
    _, elsewhere = compare(state, ended, "i2", NOW)
    assert {e.id for e in elsewhere}.isdisjoint(e.id for e in first)


def test_a_job_without_any_time_is_told_once() -> None:
    bare = Job("a", "successful", "all")
    events = run([Job("a", "running", "all")], [bare], [bare])
    assert told(events) == [("System", "a", "succeeded")]
    assert events[0].time == NOW
    assert "completedAt" not in events[0].data
