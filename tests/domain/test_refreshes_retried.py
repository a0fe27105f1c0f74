"""Data source refreshes with retries in one job, feeds that lag and renamings: none lost, none twice, no phantom."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.checkpoints import Checkpoint, Family, encode
from shared.domain.events.envelope import Event
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.refreshes import FORGET_AFTER, compare
from shared.domain.resources import DataSource, Job, Node, Task
from shared.domain.sightings import Snapshot

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Attempt:
    ended: float
    good: bool


@dataclass(frozen=True)
class Run:
    """A job that tries until it succeeds or gives up."""

    id: str
    began: float
    ended: float
    attempts: tuple[Attempt, ...]


BASE = Run("base", -5, 1, (Attempt(0, good=True),))


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    found, minute = list[Run](), 5.0
    for number in range(draw(st.integers(1, 4))):
        began = minute = minute + draw(st.floats(1, 10))
        attempts = list[Attempt]()
        for _ in range(draw(st.integers(1, 3))):
            minute += draw(st.floats(1.5, 8))
            attempts.append(Attempt(minute, good=draw(st.booleans())))
            if attempts[-1].good:
                break
        minute += draw(st.floats(0.2, 6))
        found.append(Run(f"j{number}", began, minute, tuple(attempts)))
    return found


@dataclass(frozen=True)
class World:
    """One data source; each feed lags by so many minutes, and its clock strays by so many."""

    runs: Sequence[Run]
    lag: tuple[float, float, float]
    stray: tuple[float, float]
    own_tells_failures: bool

    def seen(self, now: float) -> Snapshot:
        tasks, node, own = (now - lag for lag in self.lag)
        return Snapshot([self._own(own)], [self._node(node)], [self._job(r, tasks) for r in self._begun(tasks)])

    def _begun(self, now: float) -> list[Run]:
        return [run for run in (*reversed(self.runs), BASE) if run.began <= now or run is BASE]

    def _job(self, run: Run, now: float) -> Job:
        tasks = [
            Task(
                "ingestion",
                "successful" if attempt.good else "failed",
                f"{run.id}-{number}",
                "Sales",
                (run.id,),
                at(attempt.ended),
            )
            for number, attempt in enumerate(run.attempts)
            if attempt.ended <= now or run is BASE
        ]
        if run.ended > now and run is not BASE:
            return Job(run.id, "running", "ingestion", "scheduled", "full", at(run.began), None, tasks)
        status = "successful" if run.attempts[-1].good else "failed"
        return Job(run.id, status, "ingestion", "scheduled", "full", at(run.began), at(run.ended), tasks)

    def _last(self, now: float, *, good: bool) -> tuple[Run, Attempt]:
        return next(
            (run, attempt)
            for run in (*reversed(self.runs), BASE)
            for attempt in reversed(run.attempts)
            if (attempt.ended <= now or run is BASE) and (attempt.good or not good)
        )

    def _is_running(self, now: float) -> bool:
        return any(run.began <= now < run.attempts[-1].ended for run in self.runs)

    def _node(self, now: float) -> Node:
        (run, attempt), (good_run, good) = self._last(now, good=False), self._last(now, good=True)
        running, stray = self._is_running(now), self.stray[0]
        status = "running" if running else ("successful" if attempt.good else "failed")
        ended = None if running else at(attempt.ended + stray)
        return Node("ingestion", "d1", status, None, (run.id,), ended, (good_run.id,), at(good.ended + stray))

    def _own(self, now: float) -> DataSource:
        attempt = self._last(now, good=False)[1]
        told = attempt if self.own_tells_failures else self._last(now, good=True)[1]
        state = "updating" if self._is_running(now) else ("updated" if attempt.good else "updateFailed")
        return DataSource("d1", "sales", "Sales", None, state, at(told.ended + self.stray[1]))


lags = st.just(0.0) | st.floats(0, 3)
strays, maybe = st.just(0.0) | st.floats(0, 1 / 3), st.booleans()
worlds = st.builds(
    World,
    runs=runs(),
    lag=st.tuples(lags, lags, lags),
    stray=st.tuples(strays, strays),
    own_tells_failures=maybe,
)


@settings(max_examples=200, deadline=None)
@given(world=worlds)
def test_each_attempt_is_told_once_whatever_lags(world: World) -> None:
    state, told, untimed = None, list[tuple[float, bool]](), 0
    for now in range(1, int(world.runs[-1].ended) + 30):
        state, events = compare(state, world.seen(now), "i1", at(now))
        state = DataSourcesState.model_validate_json(state.model_dump_json(exclude_defaults=True))
        for event in events:
            if "completedAt" in event.data:
                ended = (datetime.fromisoformat(event.data["completedAt"]) - T0) / timedelta(minutes=1)
                told.append((ended, event.type.endswith("Succeeded")))
            else:
                untimed += 1
    attempts = [attempt for run in world.runs for attempt in run.attempts]
    found = Counter[Attempt]()
    for ended, good in told:
        mine = [one for one in attempts if one.good == good and abs(one.ended - ended) < 1]
        assert mine, f"a phantom at {ended}"
        found[mine[0]] += 1
    assert max(found.values(), default=0) <= 1
    # A failed attempt that heals may stay unseen; how a job ended may not.
    lost = [run for run in world.runs if not found[run.attempts[-1]]]
    assert len([run for run in lost if run.attempts[-1].good]) == 0
    assert len(lost) <= untimed


def source(id_: str, name: str, minute: float, state: str = "updated") -> DataSource:
    return DataSource(id_, name.lower(), name, None, state, at(minute))


def node(id_: str, minute: float, job: str, status: str = "successful") -> Node:
    good = status == "successful"
    return Node(
        "ingestion", id_, status, None, (job,), at(minute), (job,) if good else (), at(minute) if good else None
    )


def job(id_: str, minute: float, *tasks: Task) -> Job:
    return Job(id_, "successful", "all", "scheduled", "full", at(minute - 5), at(minute + 25), tasks)


def task(id_: str, name: str, job_id: str, minute: float, status: str = "successful") -> Task:
    return Task("ingestion", status, id_, name, (job_id,), at(minute))


def told(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.data["dataSourceId"], event.type.rpartition("Refresh")[2]) for event in events]


def two(first: str, second: str, minute: float, jobs: Sequence[Job]) -> Snapshot:
    newest = jobs[0].id
    return Snapshot(
        [source("d1", first, minute), source("d2", second, minute + 2)],
        [node("d1", minute, newest), node("d2", minute + 2, newest)],
        jobs,
    )


def refreshed(number: int, first: str, second: str, status: str = "successful") -> Job:
    minute, id_ = number * 60.0, f"j{number}"
    mine = task(f"{id_}a", first, id_, minute, status), task(f"{id_}b", second, id_, minute + 2)
    return job(id_, minute, *mine)


@pytest.mark.parametrize(("first", "second"), [("Old", "A"), ("B", "A"), ("New", "B"), ("B", "Third"), ("A", "A")])
def test_names_that_change_make_no_phantoms_and_lose_nothing(first: str, second: str) -> None:
    jobs = [refreshed(0, "A", "B")]
    state, _ = compare(None, two("A", "B", 0, jobs), "i1", at(30))
    for number, status in ((1, "successful"), (2, "failed"), (3, "successful")):
        jobs.insert(0, refreshed(number, "A", "B", status))
        state, events = compare(state, two("A", "B", number * 60.0, jobs), "i1", at(number * 60 + 30))
        assert [ds for ds, _ in told(events)] == ["d1", "d2"] if status == "successful" else events
    for minute in (220, 230):
        state, events = compare(state, two(first, second, 180, jobs), "i1", at(minute))
        assert events == []
    jobs.insert(0, refreshed(4, first, second))
    state, events = compare(state, two(first, second, 240, jobs), "i1", at(270))
    assert told(events) == [("d1", "Succeeded"), ("d2", "Succeeded")]


def test_a_task_that_ended_before_its_data_source_was_renamed_is_its_own() -> None:
    jobs = [refreshed(0, "A", "B")]
    state, _ = compare(None, two("A", "B", 0, jobs), "i1", at(30))
    retried = task("j1a", "A", "j1", 60, "failed"), task("j1b", "A", "j1", 70), task("j1c", "B", "j1", 72)
    state, events = compare(state, two("Renamed", "B", 70, [job("j1", 60, *retried), *jobs]), "i1", at(100))
    assert told(events) == [("d1", "Failed"), ("d1", "Succeeded"), ("d2", "Succeeded")]


def test_who_shares_a_name_no_more_gets_none_of_the_other_s_refreshes() -> None:
    jobs = [refreshed(0, "A", "A")]
    state, _ = compare(None, two("A", "A", 0, jobs), "i1", at(30))
    jobs.insert(0, refreshed(1, "A", "A", "failed"))
    state, _ = compare(state, two("A", "A", 60, jobs), "i1", at(90))
    for minute in (100, 110, 120):
        alone = Snapshot([source("d2", "A", 62)], [node("d2", 62, "j1")], jobs)
        state, events = compare(state, alone, "i1", at(minute))
        assert events == []


def test_what_is_deleted_is_forgotten() -> None:
    state, _ = compare(None, Snapshot([source("d0", "X", 0)], [], []), "i1", at(0))
    for day in range(1, 40):
        minute = day * 1440.0
        state, _ = compare(state, Snapshot([source(f"d{day}", "X", minute)], [], []), "i1", at(minute))
    assert len(state.marks) <= 2 + FORGET_AFTER / timedelta(days=1)


def test_what_is_missing_for_a_while_is_remembered() -> None:
    state, _ = compare(None, Snapshot([source("d1", "X", 0)], [], []), "i1", at(1))
    state, _ = compare(state, Snapshot([], [], []), "i1", at(2))
    state, events = compare(state, Snapshot([source("d1", "X", 5)], [], []), "i1", at(6))
    assert told(events) == [("d1", "Succeeded")]
    assert state.marks["d1"].gone_at is None


def many(run: int, count: int) -> Snapshot:
    """So many data sources after so many refreshes of all of them, as an API with microseconds shows them."""
    jobs = list[Job]()
    for number in range(run, max(run - 3, -1), -1):
        id_, start = f"0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d{number:04}", number * 60 + 0.123
        tasks = [task(f"{id_}{n}", f"Data source {n}", id_, start + n / 600) for n in range(count)]
        jobs.append(job(id_, start, *tasks))
    start = run * 60 + 0.123
    names = [f"{n:08}-1a2b-4c3d-8e4f-5a6b7c8d9e0f" for n in range(count)]
    return Snapshot(
        [source(id_, f"Data source {n}", start + n / 600 + 0.01) for n, id_ in enumerate(names)],
        [node(id_, start + n / 600 + 0.005, jobs[0].id) for n, id_ in enumerate(names)],
        jobs,
    )


def test_a_data_source_is_remembered_in_less_than_200_bytes() -> None:
    state = None
    for run in range(6):
        state, _ = compare(state, many(run, 50), "i1", at(run * 60 + 30))
    assert len(encode(Family.DATA_SOURCES, Checkpoint(state))) < 50 * 200


@pytest.mark.alone
def test_catching_up_many_jobs_is_no_work_of_the_square() -> None:
    def caught_up(count: int) -> float:
        base, jobs = [refreshed(0, "A", "B")], list[Job]()
        state, _ = compare(None, two("A", "B", 0, base), "i1", at(30))
        for number in range(1, count):
            jobs.insert(0, refreshed(number, "A", "B", "failed" if number % 2 else "successful"))
        began = time.perf_counter()
        compare(state, two("A", "B", (count - 1) * 60, [*jobs, *base]), "i1", at(count * 60))
        return time.perf_counter() - began

    few, some = min(caught_up(200) for _ in range(3)), min(caught_up(2_000) for _ in range(3))
    assert some < 30 * few  # ten times the jobs; of the square it would be a hundred times


@pytest.mark.parametrize("far", [timedelta(days=1), timedelta(days=2_000)])
def test_a_date_in_the_future_makes_nothing_old(far: timedelta) -> None:
    odd = DataSource("odd", "odd", "Odd", None, "updated", T0 + far)
    state, _ = compare(None, Snapshot([source("d1", "X", 0), odd], [], []), "i1", at(1))
    found = list[Event]()
    for minute in range(10, 100, 10):
        sources = [source("d1", "X", minute), odd, source("new", "N", minute)]
        state, events = compare(state, Snapshot(sources, [], []), "i1", at(minute + 1))
        found += events
    assert Counter(ds for ds, _ in told(found)) == {"d1": 9, "new": 9}


def test_what_had_a_date_in_the_future_is_told_as_soon_as_it_has_a_true_one() -> None:
    odd = DataSource("d1", "x", "X", None, "updated", T0 + timedelta(days=900))
    state, _ = compare(None, Snapshot([odd], [], []), "i1", at(1))
    state, events = compare(state, Snapshot([source("d1", "X", 5)], [], []), "i1", at(6))
    assert told(events) == [("d1", "Succeeded")]
