"""Data source refreshes: one event for each that completed, told by three feeds of which any may be missing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.events.envelope import Event
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.refreshes import compare
from shared.domain.resources import DataSource, Fault, Job, Node, Task
from shared.domain.sightings import Snapshot

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
NOW = T0 + timedelta(days=1)
OLD = -600.0


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def source(
    state: str | None = "updated", refreshed: float | None = OLD, id_: str = "d1", name: str = "Sales"
) -> DataSource:
    return DataSource(id_, name.lower(), name, "powerQuery", state, None if refreshed is None else at(refreshed))


def node(end: float | None, status: str = "successful", job: str | None = None, success: float | None = None) -> Node:
    good = success if success is not None else (end if status == "successful" else None)
    return Node(
        "ingestion",
        "d1",
        status,
        "Sales",
        (job,) if job else (),
        None if end is None else at(end),
        (job,) if job and status == "successful" else (),
        None if good is None else at(good),
    )


def job(id_: str, end: float | None, status: str = "successful", *, ended: bool = True, name: str = "Sales") -> Job:
    """A job with one ingestion task, which ends half a minute before it."""
    tasks = [Task("ingestion", status, f"t-{id_}", name, (id_,), None if end is None else at(end))]
    start = at((end if end is not None else 0) - 20)
    if not ended:
        return Job(id_, "running", "all", "scheduled", "full", start, None, tasks)
    return Job(id_, status, "all", "scheduled", "full", start, None if end is None else at(end + 0.5), tasks)


OLD_JOB = job("j0", OLD)


def poll(ds: DataSource | None = None, node_: Node | None = None, jobs: Sequence[Job] | None = None) -> Snapshot:
    return Snapshot([ds] if ds else None, [node_] if node_ else None, None if jobs is None else [*jobs, OLD_JOB])


def run(*polls: Snapshot, now: datetime = NOW) -> list[Event]:
    state: DataSourcesState | None = None
    found: list[Event] = []
    for snapshot in polls:
        state, events = compare(state, snapshot, "i1", now)
        found += events
        again, more = compare(state, snapshot, "i1", now + timedelta(minutes=1))
        assert more == []
        assert again is state
        state = DataSourcesState.model_validate_json(state.model_dump_json(exclude_defaults=True))
        now += timedelta(minutes=1)
    return found


def told(events: Sequence[Event]) -> list[str]:
    return [event.type.removeprefix("CustomerInsights.DataSource.Refresh") for event in events]


BEFORE = {"ds": source(), "node": node(OLD, job="j0"), "jobs": []}


@pytest.mark.parametrize("feeds", [{"ds"}, {"node"}, {"ds", "node"}, {"ds", "jobs"}, {"ds", "node", "jobs"}])
@pytest.mark.parametrize("outcome", ["Succeeded", "Failed"])
def test_one_refresh_is_one_event_whichever_feeds_show_it(feeds: set[str], outcome: str) -> None:
    good = outcome == "Succeeded"
    status = "successful" if good else "failed"
    after = {
        "ds": source("updated" if good else "updateFailed", 10.3),
        "node": node(10.1, status, "j1", success=None if good else OLD),
        "jobs": [job("j1", 10, status)],
    }

    def shown(what: dict[str, object]) -> Snapshot:
        return poll(*(what[feed] if feed in feeds else None for feed in ("ds", "node", "jobs")))  # type: ignore[arg-type]

    events = run(shown(BEFORE), shown(after), shown(after))
    assert told(events) == [outcome]
    assert at(9.9) < events[0].time < at(10.5)
    assert events[0].raw["subject"] == "data-sources/d1"
    if "jobs" in feeds:
        assert (events[0].data["jobId"], events[0].data["submissionKind"]) == ("j1", "scheduled")


def test_the_first_poll_tells_nothing() -> None:
    assert run(poll(source("updateFailed", 5), node(10, "failed", "j1"), [job("j1", 10, "failed")])) == []


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 1), (59.9, 1), (60.0, 2), (90.0, 2)])
def test_completions_in_two_feeds_less_than_a_minute_apart_are_one(seconds: float, count: int) -> None:
    after = poll(source("updated", 10 + seconds / 60), None, [job("j1", 10)])
    assert len(run(poll(source(), None, []), after)) == count


def test_completions_that_a_job_links_are_one_however_far_apart() -> None:
    after = poll(source(), node(14, job="j1"), [job("j1", 10)])
    assert len(run(poll(source(), node(OLD, job="j0"), []), after)) == 1


def test_two_completions_in_one_feed_are_two_however_close() -> None:
    after = poll(source("updated", 10.2), None, [job("j2", 10.3), job("j1", 10)])
    assert told(run(poll(source(), None, []), after)) == ["Succeeded", "Succeeded"]


def test_a_failure_and_its_repetition_between_two_polls_are_both_told_in_order() -> None:
    after = poll(source("updated", 40), node(40, job="j2"), [job("j2", 40), job("j1", 10, "failed")])
    events = run(poll(source(), node(OLD, job="j0"), []), after)
    assert told(events) == ["Failed", "Succeeded"]
    assert [e.time for e in events] == [at(10), at(40)]


def test_two_failures_in_a_row_are_two_events() -> None:
    first = poll(source("updateFailed"), None, [job("j1", 10, "failed")])
    second = poll(source("updateFailed"), None, [job("j2", 40, "failed"), job("j1", 10, "failed")])
    assert told(run(poll(source(), None, []), first, second)) == ["Failed", "Failed"]
    assert told(run(poll(source(), None, []), second)) == ["Failed", "Failed"]


def test_a_timeout_is_a_failure_and_its_error_is_told() -> None:
    fault = Fault("DS42", "x" * 1_000, "user", "error")
    task = Task("ingestion", "timedOut", "t1", "Sales", ("j1",), at(10), fault)
    ended = Job("j1", "failed", "all", "onDemand", "full", at(0), at(11), [task])
    (event,) = run(poll(source(), None, []), poll(source("updateFailed"), None, [ended]))
    assert event.type.endswith("RefreshFailed")
    assert event.data["error"]["code"] == "DS42"
    assert len(event.data["error"]["message"]) <= 400
    assert event.data["submissionKind"] == "onDemand"


def test_a_failed_attempt_is_told_when_its_job_has_ended() -> None:
    attempt = poll(source("updating"), None, [job("j1", 10, "failed", ended=False)])
    final = poll(source("updating"), None, [job("j1", 10, "failed")])
    start = poll(source(), None, [])
    assert run(start, attempt) == []
    assert told(run(start, attempt, final)) == ["Failed"]


def test_a_failed_attempt_is_told_when_its_data_source_is_updating_no_more() -> None:
    attempt = poll(source("updating"), None, [job("j1", 10, "failed", ended=False)])
    final = poll(source("updateFailed"), None, [job("j1", 10, "failed", ended=False)])
    later = poll(source("updateFailed"), None, [job("j1", 10, "failed")])
    assert told(run(poll(source(), None, []), attempt, final, later)) == ["Failed"]


def test_an_attempt_that_heals_is_only_a_success() -> None:
    attempt = poll(source("updating"), node(10, "failed", "j1", OLD), [job("j1", 10, "failed", ended=False)])
    again = poll(source("updating"), node(None, "running", "j1", OLD), [job("j1", None, "running", ended=False)])
    healed = poll(source("updated", 15), node(15, job="j1"), [job("j1", 15)])
    start = poll(source(), node(OLD, job="j0"), [])
    assert told(run(start, attempt, again, healed)) == ["Succeeded"]
    assert told(run(start, attempt, healed)) == ["Succeeded"]


def test_a_turn_to_failed_without_a_time_counts_once() -> None:
    def only(state: str) -> Snapshot:
        return poll(source(state))

    assert told(run(only("updated"), only("updating"), only("updateFailed"), only("updateFailed"))) == ["Failed"]
    twice = run(only("updated"), only("updateFailed"), only("updating"), only("updateFailed"), only("updateFailed"))
    assert told(twice) == ["Failed", "Failed"]
    assert len({event.id for event in twice}) == 2


@pytest.mark.parametrize("state", ["updateCancelled", "brandNew", None])
def test_a_cancelled_or_unknown_end_is_no_event(state: str | None) -> None:
    assert run(poll(source("updating")), poll(source(state))) == []
    assert run(poll(source("updating"), node(OLD)), poll(source(state), node(10, "aborted", success=OLD))) == []


def test_an_ambiguous_name_is_no_evidence() -> None:
    two = [source(id_="d1"), source(id_="d2")]
    before, after = Snapshot(two, None, [OLD_JOB]), Snapshot(two, None, [job("j1", 10), OLD_JOB])
    assert run(before, after) == []
    moved = Snapshot([source(id_="d1"), source("updated", 10, id_="d2")], None, [job("j1", 10), OLD_JOB])
    assert [e.data["dataSourceId"] for e in run(before, moved)] == ["d2"]


def test_a_data_source_first_seen_later_is_only_remembered() -> None:
    new = source("updated", OLD - 5, id_="d2", name="New")
    start = poll(source(), None, [])
    assert run(start, Snapshot([source(), new], None, [OLD_JOB])) == []
    failed = source("updateFailed", OLD - 5, id_="d2", name="New")
    assert run(start, Snapshot([source(), failed], None, [OLD_JOB])) == []


def test_a_data_source_first_seen_with_a_later_completion_is_news() -> None:
    new = source("updated", 10, id_="d2", name="New")
    events = run(poll(source(), None, []), Snapshot([source(), new], None, [job("j1", 10, name="New"), OLD_JOB]))
    assert [(e.data["dataSourceId"], e.time) for e in events] == [("d2", at(10))]


def test_a_feed_that_lags_by_a_poll_adds_nothing() -> None:
    start = poll(source(), node(OLD, job="j0"), [])
    by_node = poll(source("updating"), node(10, job="j1"), [job("j1", None, "running", ended=False)])
    by_task = poll(source("updating"), node(10, job="j1"), [job("j1", 10.4)])
    by_all = poll(source("updated", 10.2), node(10, job="j1"), [job("j1", 10.4)])
    assert told(run(start, by_node, by_task, by_all)) == ["Succeeded"]
    unlinked = poll(source(), node(10), [job("j1", None, "running", ended=False)])
    assert told(run(start, unlinked, poll(source("updated", 10.2), node(10), [job("j1", 10.4)]))) == ["Succeeded"]


def test_a_failure_told_by_its_state_first_and_its_time_later_is_one() -> None:
    start = poll(source("updating"), None, [])
    turned = poll(source("updateFailed"), None, [job("j1", None, "running", ended=False)])
    timed = poll(source("updateFailed"), None, [job("j1", 10, "failed")])
    assert told(run(start, turned, timed, now=at(10))) == ["Failed"]


def test_a_feed_that_is_missing_for_a_poll_loses_nothing() -> None:
    start = poll(source(), node(OLD, job="j0"), [])
    without = poll(source())
    after = poll(source("updated", 10), node(10, job="j1"), [job("j1", 10)])
    assert told(run(start, without, after)) == ["Succeeded"]
    assert told(run(start, after, without, after)) == ["Succeeded"]
    assert told(run(start, Snapshot([], None, None), after)) == ["Succeeded"]


def test_a_task_that_two_jobs_share_is_one_refresh() -> None:
    task = Task("ingestion", "successful", "t1", "Sales", ("j1", "j2"), at(10))
    jobs = [Job(id_, "successful", "all", None, None, at(0), at(12), [task]) for id_ in ("j2", "j1")]
    assert told(run(poll(source(), None, []), poll(source(), None, jobs))) == ["Succeeded"]


def test_ids_are_the_same_for_the_same_occurrence_and_never_shared() -> None:
    start = poll(source(), None, [])
    after = poll(source(), None, [job("j2", 40), job("j1", 10)])
    first, second = run(start, after), run(start, after)
    assert [e.encode() for e in first] == [e.encode() for e in second]
    assert len({e.id for e in first}) == 2
