"""Failures: each failed evaluation is told once, those in the history too; a segment that is off, once per turn."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import failures, thresholds
from shared.domain.events.envelope import Event
from shared.domain.resources import Fault, Measure, MeasureEvaluation, Segment, SegmentEvaluation
from shared.domain.watching import ValueMark, ValuesState, changed, seen_measure, seen_segment

T0 = datetime(2026, 11, 20, 4, tzinfo=UTC)
LATER = T0 + timedelta(days=99)
ENDS = ["completedSuccess", "completedFailure", "interrupted", "cancelled", "odd"]
FAILED = {"completedFailure", "interrupted"}
states = st.sampled_from(["active", "inactive", "validating", "validated", "invalid", None])


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def run(*polls: Segment | Measure) -> list[Event]:
    state: ValuesState | None = None
    found: list[Event] = []
    for poll in polls:
        now = (
            changed(state, [poll], seen_segment) if isinstance(poll, Segment) else changed(state, [poll], seen_measure)
        )
        found += failures.compare(state, now, "i1", LATER)
        state, _ = thresholds.compare(state, now, [poll], [], LATER)
        state = ValuesState.model_validate_json(state.model_dump_json(exclude_defaults=True))
    return found


def segment(
    status: str | None, hour: float | None, *history: SegmentEvaluation, state: str | None = "active"
) -> Segment:
    when = None if hour is None else at(hour)
    return Segment("S", "Seg", SegmentEvaluation(status, when, 5, Fault("K", "It broke.")), history, state)


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=9), st.data())
def test_each_failure_is_told_once_however_polls_fall(statuses: list[str], data: st.DataObject) -> None:
    done = [SegmentEvaluation(status, at(n), 5) for n, status in enumerate(statuses)]
    cuts = sorted(set(data.draw(st.lists(st.integers(1, len(done)), min_size=1, max_size=6))))
    polls = list[Segment]()
    for cut in cuts:
        # While the next one runs, the API may show it under its own date, under the last one's, or under none.
        running = data.draw(st.sampled_from([None, at(cut - 1), at(cut)]))
        polls.append(Segment("S", None, done[cut - 1], done[: cut - 1]))
        polls += [Segment("S", None, SegmentEvaluation("running", running, 5), done[:cut])] * data.draw(
            st.integers(0, 1)
        )
    told = [event.time for event in run(*polls)]
    assert told == [at(n) for n in range(cuts[0], cuts[-1]) if statuses[n] in FAILED]


def test_a_status_that_turns_to_failed_under_the_same_date_is_told_once() -> None:
    polls = [segment("completedSuccess", 1), *[segment("completedFailure", 1), segment("running", 1)] * 2]
    (event,) = run(*polls)
    assert event.data["error"] == {"code": "K", "message": "It broke."}
    assert event.data["completedAt"] == "2026-11-20T05:00:00Z"


def test_a_failure_without_a_date_is_told_when_it_turns() -> None:
    assert len(run(segment("running", None), *[segment("completedFailure", None)] * 3)) == 1


def test_a_failed_measure_tells_how_many_failed_in_a_row() -> None:
    def measure(state: str, hour: int, count: int) -> Measure:
        return Measure("M", "Rev", True, MeasureEvaluation(state, at(hour), Fault(message="Why.")), failures=count)  # noqa: FBT003

    (event,) = run(measure("completed", 1, 0), measure("failed", 2, 1), measure("running", 2, 1))
    assert (event.time, event.data["consecutiveFailures"]) == (at(2), 1)
    assert event.data["summary"] == "Rev: the measure could not be refreshed. Why."


def test_what_is_first_seen_is_old() -> None:
    assert run(segment("completedFailure", 1), segment("completedFailure", 1, state="active")) == []


@given(st.lists(states, max_size=9))
def test_a_segment_that_was_active_and_is_no_more_is_told_once_per_turn(shown: list[str | None]) -> None:
    was_active, expected = False, 0
    for n, state in enumerate(shown):
        if state not in {"active", "validating", "validated", None} and was_active and n:
            expected += 1
        if state == "active":
            was_active = True
        elif state not in {"validating", "validated", None}:
            was_active = False
    events = run(*(segment("completedSuccess", 1, state=state) for state in shown))
    assert [event.type for event in events] == ["CustomerInsights.Segment.Deactivated"] * expected
    assert all(event.data["previousState"] == "active" for event in events)


def test_a_mark_of_an_earlier_release_knows_no_state_and_brings_no_turn() -> None:
    mark = ValueMark.model_validate({"seen": ["completedSuccess", at(1).isoformat(), None]})
    now = changed(ValuesState(marks={"S": mark}), [segment("completedSuccess", 1, state="inactive")], seen_segment)
    assert failures.compare(ValuesState(marks={"S": mark}), now, "i1", LATER) == []
