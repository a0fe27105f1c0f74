"""Evaluations: where the jobs say that there was but one, there was but one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.evaluations import MEASURES, Evaluating
from shared.domain.resources import Job, Task

T0 = datetime(2026, 11, 20, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def job(start: float, end: float | None, kind: str = "all", tasks: list[Task] | None = None) -> Job:
    status = "running" if end is None else "successful"
    return Job(f"j{start}", status, kind, None, None, at(start), None if end is None else at(end), tasks)


FIRST = job(0, 60)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([job(100, 160), FIRST], True),
        ([job(100, None), FIRST], True),
        ([job(100, 160, "ingestion", [Task("entityMeasures", "successful")]), FIRST], True),
        ([job(120, 130, "ingestion", []), job(100, 160), FIRST], True),
        ([job(100, 160)], False),
        ([FIRST], False),
        ([], False),
        ([job(100, 105), FIRST], False),
        ([job(100, 160), job(70, 80), FIRST], False),
        ([job(100, 160), job(70, 80, "ingestion"), FIRST], False),
        ([job(100, 160), job(5, 90), FIRST], False),
    ],
)
def test_one_job_that_can_have_evaluated_made_the_only_evaluation(jobs: list[Job], *, expected: bool) -> None:
    assert Evaluating(jobs, MEASURES).once(at(10), at(110)) is expected


def test_what_was_never_looked_at_may_have_been_evaluated_often() -> None:
    assert not Evaluating([job(100, 160), FIRST], MEASURES).once(None, at(110))
    assert not Evaluating([job(100, 160), FIRST], MEASURES).once(at(10), None)


spans = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 80), st.integers(0, 80)), min_size=2, max_size=6)


@given(spans, st.data())
def test_no_evaluation_is_taken_for_the_only_one_when_it_was_not(
    runs: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    jobs = [job(start, start + length) for start, length, _ in sorted(runs, reverse=True)]
    ends = sorted({start + min(when, length) for start, length, when in runs})
    seen = data.draw(st.integers(0, len(ends) - 1))
    for later in range(seen + 1, len(ends)):
        if Evaluating(jobs, MEASURES).once(at(ends[seen]), at(ends[later])):
            assert later == seen + 1
