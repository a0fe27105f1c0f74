"""Data source refreshes, whatever the history, the feeds and the polls: each completion is one event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.refresh_marks import DataSourcesState
from shared.domain.refreshes import compare
from shared.domain.resources import DataSource, Job, Node, Task
from shared.domain.sightings import Snapshot

T0 = datetime(2026, 11, 20, tzinfo=UTC)
RUN = timedelta(minutes=3)


@dataclass(frozen=True)
class Refresh:
    """A refresh that took three minutes; each feed's clock strays by its own seconds."""

    number: int
    ended: datetime
    good: bool
    task_skew: int
    node_skew: int
    own_skew: int

    def by(self, seconds: int) -> datetime:
        return self.ended + timedelta(seconds=seconds)


@st.composite
def histories(draw: st.DrawFn) -> list[Refresh]:
    gaps = draw(st.lists(st.integers(5, 90), min_size=2, max_size=8))
    skew = st.integers(0, 19)
    found, ended = [], T0
    for number, gap in enumerate(gaps):
        ended += timedelta(minutes=gap)
        found.append(Refresh(number, ended, draw(st.booleans()), draw(skew), draw(skew), draw(skew)))
    return found


def snapshot(history: Sequence[Refresh], now: datetime, feeds: Sequence[str], *, linked: bool) -> Snapshot:
    """What the feeds show at a time: the tasks all completions, the node and the data source their latest."""
    tasks_of: list[Job] = []
    for r in history:
        if r.ended - RUN > now:
            continue
        job_id, ended = f"j{r.number}", now >= r.by(20)
        status = ("successful" if r.good else "failed") if ended else "running"
        shown = [Task("ingestion", status, f"t{r.number}", "Sales", (job_id,), r.by(r.task_skew) if ended else None)]
        tasks_of.insert(0, Job(job_id, status, "all", None, None, r.ended - RUN, r.by(20) if ended else None, shown))
    over = [r for r in history if r.by(20) <= now]
    good = [r for r in over if r.good]
    updating = any(r.ended - RUN <= now < r.by(20) for r in history)
    last, last_good = (over or [None])[-1], (good or [None])[-1]
    state = "updating" if updating else ("updated" if last is None or last.good else "updateFailed")
    own = DataSource("d1", "sales", "Sales", None, state, last_good.by(last_good.own_skew) if last_good else None)
    node = Node(
        "ingestion",
        "d1",
        "running" if updating else (None if last is None else ("successful" if last.good else "failed")),
        "Sales",
        (f"j{last.number}",) if linked and last and not updating else (),
        last.by(last.node_skew) if last and not updating else None,
        (f"j{last_good.number}",) if linked and last_good else (),
        last_good.by(last_good.node_skew) if last_good else None,
    )
    return Snapshot(
        [own],
        [node] if "node" in feeds else None,
        tasks_of if "jobs" in feeds else None,
    )


def play(history: Sequence[Refresh], polls: Sequence[datetime], feeds: Sequence[str], *, linked: bool) -> list[str]:
    """Polls at these times; checks on the way that looking twice tells nothing, and gives what was told."""
    state: DataSourcesState | None = None
    told: list[str] = []
    ids: list[str] = []
    for now in polls:
        seen = snapshot(history, now, feeds, linked=linked)
        state, events = compare(state, seen, "i1", now)
        if now == polls[0]:
            assert events == []
        assert [e.time for e in events] == sorted(e.time for e in events)
        told += [e.type.rpartition("Refresh")[2] for e in events]
        ids += [e.id for e in events]
        again, more = compare(state, seen, "i1", now + timedelta(seconds=30))
        assert more == []
        assert again is state
        state = DataSourcesState.model_validate_json(state.model_dump_json(exclude_defaults=True))
    assert len(set(ids)) == len(ids)
    return told


def expected(history: Sequence[Refresh], first: datetime) -> list[str]:
    return ["Succeeded" if r.good else "Failed" for r in history if r.by(20) > first]


@settings(max_examples=300, deadline=None)
@given(history=histories(), with_node=st.booleans(), linked=st.booleans(), data=st.data())
def test_where_tasks_are_shown_nothing_depends_on_when_polls_fall(
    history: list[Refresh], data: st.DataObject, *, with_node: bool, linked: bool
) -> None:
    end = history[-1].ended + timedelta(minutes=1)
    minutes = int((end - T0) / timedelta(minutes=1))
    chosen = data.draw(st.lists(st.integers(0, minutes * 6), min_size=1, max_size=8, unique=True))
    polls = [*(T0 + timedelta(seconds=10 * n) for n in sorted(chosen)), end + timedelta(minutes=1)]
    feeds = ["jobs", "node"] if with_node else ["jobs"]
    assert play(history, polls, feeds, linked=linked) == expected(history, polls[0])


@settings(max_examples=60, deadline=None)
@given(history=histories(), with_jobs=st.booleans(), linked=st.booleans(), data=st.data())
def test_polls_every_minute_miss_nothing_whatever_the_feeds(
    history: list[Refresh], data: st.DataObject, *, with_jobs: bool, linked: bool
) -> None:
    feeds = ["node", *(["jobs"] if with_jobs else [])]
    first = T0 + timedelta(seconds=data.draw(st.integers(0, 600)))
    count = int((history[-1].ended - first) / timedelta(minutes=1)) + 3
    polls = [first + timedelta(minutes=n) for n in range(max(count, 1))]
    assert play(history, polls, feeds, linked=linked) == expected(history, polls[0])


@settings(max_examples=60, deadline=None)
@given(history=histories(), offset=st.integers(0, 59))
def test_a_data_source_alone_tells_all_when_polled_every_minute(history: list[Refresh], offset: int) -> None:
    first = T0 + timedelta(seconds=offset)
    count = int((history[-1].ended - first) / timedelta(minutes=1)) + 3
    polls = [first + timedelta(minutes=n) for n in range(count)]
    assert play(history, polls, [], linked=False) == expected(history, polls[0])
