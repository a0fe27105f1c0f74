"""Exports, whatever their history, the feeds and the polls: each failure is told once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import exports
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import Job, Node, Task

T0 = datetime(2026, 11, 20, 4, tzinfo=UTC)
FAILED = {"failed": "failed", "timedOut": "timedOut"}


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def jobs(name: str, statuses: Sequence[str]) -> list[Job]:
    """The runs of an export so far, the newest first; each ends ten minutes after the one before."""
    return [
        Job(f"{name}{n}", status, "export", None, None, at(n * 10 - 5), at(n * 10), [task(name, n, status)])
        for n, status in reversed(list(enumerate(statuses)))
    ]


def task(name: str, number: int, status: str) -> Task:
    return Task("export", status, f"t{number}", name, (f"{name}{number}",), at(number * 10))


def node(name: str, statuses: Sequence[str]) -> Node:
    last = len(statuses) - 1
    return Node("export", f"id-{name.lower()}", statuses[last], name, (f"{name}{last}",), at(last * 10))


@given(
    st.dictionaries(
        st.sampled_from(["Ads", "Mail"]),
        st.lists(st.sampled_from(["successful", *FAILED]), min_size=8, max_size=8),
        min_size=1,
    ),
    st.data(),
)
def test_each_failure_is_told_once_whichever_feeds_tell_of_it(runs: dict[str, list[str]], data: st.DataObject) -> None:
    cuts = sorted(set(data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=6))))
    state: DataSourcesState | None = None
    told = []
    for cut in cuts:
        shown = [node(name, statuses[:cut]) for name, statuses in runs.items()]
        # The nodes show an export when it is first seen, and later on come and go.
        nodes = shown if state is None or data.draw(st.booleans()) else data.draw(st.sampled_from([None, []]))
        listed = [job for name, statuses in runs.items() for job in jobs(name, statuses[:cut])]
        for _ in range(data.draw(st.integers(1, 2))):
            state, events = exports.compare(state, nodes, listed, "i1", at(cut * 10))
            state = DataSourcesState.model_validate_json(state.model_dump_json())
            told += events
    expected = sorted(
        (at(n * 10), f"exports/id-{name.lower()}", FAILED[statuses[n]])
        for name, statuses in runs.items()
        for n in range(cuts[0], cuts[-1])
        if statuses[n] in FAILED
    )
    assert sorted((event.time, event.raw["subject"], event.raw["data"]["outcome"]) for event in told) == expected
    assert len({event.id for event in told}) == len(told)
