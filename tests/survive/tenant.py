"""The tenant: one instance of Customer Insights whose refreshes end and whose segments and measures have values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain import ids
from shared.domain.resources import (
    DataSource,
    Instance,
    Job,
    Measure,
    MeasureEvaluation,
    MeasureOutput,
    Node,
    Segment,
    SegmentEvaluation,
    Task,
)
from shared.domain.rows import Row
from shared.domain.rules import Combination
from shared.errors import AccessError, NotFoundError, TimedOutError
from tests.survive.cloud import Cloud, Process

INSTANCE = "i1"
SOURCES = ("d1", "d2")
# What a segment and a measure have been worth before anything happens.
FIRST = 50
_LASTS = timedelta(seconds=40)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh of a data source that has ended, in a full refresh."""

    job_id: str
    source: str
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Valued:
    """An evaluation of the segment or the measure that has ended."""

    kind: str
    value: int
    at: datetime


@dataclass(slots=True)
class Tenant:
    """What has happened there, the latest last; `trouble` is what all calls run into."""

    began_at: datetime
    refreshes: list[Refresh] = field(default_factory=list)
    values: list[Valued] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    trouble: str | None = None
    # Since when a data source asks for credentials, and each time that one began to.
    asking: set[str] = field(default_factory=set)
    turns: list[tuple[str, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = self.began_at - timedelta(days=1)
        for number, source in enumerate(SOURCES):
            self.refresh(source, "successful", at + number * timedelta(hours=1))
        self.value("segment", FIRST, at + timedelta(hours=3))
        self.value("measure", FIRST, at + timedelta(hours=4))

    def refresh(self, source: str, outcome: str, at: datetime) -> None:
        """A full refresh has ended, and with it that of a data source."""
        number = len(self.jobs)
        task = Task("ingestion", outcome, f"t{number}", source.upper(), (f"j{number}",), at)
        self._end("all", outcome, at, [task])
        self.refreshes.append(Refresh(f"j{number}", source, outcome, at))

    def value(self, kind: str, value: int, at: datetime) -> None:
        """An evaluation has ended."""
        self._end("segmentation" if kind == "segment" else "measures", "successful", at, [])
        self.values.append(Valued(kind, value, at))

    def turn(self, source: str, at: datetime) -> None:
        """A data source asks for credentials from now on, or has got them."""
        if source in self.asking:
            self.asking.remove(source)
        else:
            self.asking.add(source)
            self.turns.append((source, at))

    def of(self, kind: str) -> Sequence[Valued]:
        """The evaluations of the segment or of the measure."""
        return [one for one in self.values if one.kind == kind]

    def _end(self, operation: str, outcome: str, at: datetime, tasks: Sequence[Task]) -> None:
        self.jobs.append(Job(f"j{len(self.jobs)}", outcome, operation, "scheduled", "full", at - _LASTS, at, tasks))


class Insights:
    """One process's way to the tenant."""

    def __init__(self, tenant: Tenant, cloud: Cloud, process: Process) -> None:
        self._tenant, self._cloud, self._process = tenant, cloud, process

    async def _read[T](self, what: str, read: Callable[[], T]) -> T:
        def answer() -> T:
            if self._tenant.trouble == "hangs":
                raise TimedOutError(f"{what} does not answer")
            if self._tenant.trouble == "denies":
                raise AccessError(f"{what} refuses the bridge")
            return read()

        return await self._cloud.call(self._process, f"api.{what}", answer)

    async def instances(self) -> Sequence[Instance]:
        return await self._read("instances", lambda: [Instance(INSTANCE)])

    async def data_sources(self, _instance_id: str) -> Sequence[DataSource]:
        return await self._read("data sources", lambda: [self._source(name) for name in SOURCES])

    def _source(self, name: str) -> DataSource:
        last = self._last(name)
        state = "updated" if last.outcome == "successful" else "updateFailed"
        provisioned = "refreshCredentials" if name in self._tenant.asking else "active"
        return DataSource(name, name, name.upper(), "powerQuery", state, last.at, provisioned)

    def _last(self, source: str) -> Refresh:
        return next(one for one in reversed(self._tenant.refreshes) if one.source == source)

    async def nodes(self, _instance_id: str) -> Sequence[Node]:
        return await self._read("nodes", lambda: [self._node(name) for name in SOURCES])

    def _node(self, source: str) -> Node:
        last, mine = self._last(source), [one for one in self._tenant.refreshes if one.source == source]
        good = next((one for one in reversed(mine) if one.outcome == "successful"), None)
        return Node(
            "ingestion",
            source,
            last.outcome,
            source.upper(),
            (last.job_id,),
            last.at,
            (good.job_id,) if good else (),
            good.at if good else None,
        )

    async def jobs(self, _instance_id: str, top: int) -> Sequence[Job]:
        return await self._read("jobs", lambda: self._tenant.jobs[::-1][:top])

    async def job(self, _instance_id: str, job_id: str) -> Job:
        found = await self._read("job", lambda: [one for one in self._tenant.jobs if ids.key(one.id) == job_id])
        if not found:
            raise NotFoundError(f"no job {job_id}")
        return found[0]

    async def segments(self, _instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        def read() -> Sequence[Segment]:
            found = [SegmentEvaluation("completedSuccess", one.at, one.value) for one in self._tenant.of("segment")]
            return [Segment("S", "Big spenders", found[-1], found[:-1] if history_days else (), "active")]

        return await self._read("segments", read)

    async def measures(self, _instance_id: str) -> Sequence[Measure]:
        return await self._read("measures", lambda: [replace(self._measure(), evaluations=(), outputs=())])

    async def measure(self, _instance_id: str, name: str, history_days: int | None = None) -> Measure:
        del history_days
        if name != "M":
            raise NotFoundError(f"no measure {name}")
        return await self._read("measure", self._measure)

    def _measure(self) -> Measure:
        found = [(one.at, Decimal(one.value)) for one in self._tenant.of("measure")]
        ends = [MeasureEvaluation("completed", at) for at, _ in found]
        outputs = [MeasureOutput(at - timedelta(milliseconds=50), value) for at, value in found]
        return Measure("M", "Revenue", True, ends[-1], outputs[-1], ends[:-1], outputs[:-1])  # noqa: FBT003 - it is scalar

    async def rows_of_measure(
        self, _instance_id: str, _name: str, _combinations: Sequence[Combination]
    ) -> Sequence[Row]:
        return []

    def told_time(self, _instance_id: str) -> datetime | None:
        return self._cloud.now()


def expected(refresh: Refresh) -> tuple[str, str, datetime]:
    """The event of a refresh: its type, its subject and its time."""
    kind = "Succeeded" if refresh.outcome == "successful" else "Failed"
    return f"CustomerInsights.DataSource.Refresh{kind}", f"data-sources/{refresh.source}", refresh.at


class AnyBudget:
    """An API that takes all calls."""

    def begin(self) -> float:
        return 0.0

    def end(self) -> None:
        pass
