"""A simulated tenant: its instances, and the verbs by which things happen to them.

Every verb takes its time from the caller and keeps the feeds that tell of it consistent: the job with its tasks, the
workflow node, and the object's own state. Nothing here reads a clock, draws a random number or knows JSON; ids are
derived from names and from the order of events, so the same story always makes the same tenant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from local.tenant.faults import Faults
from local.tenant.records import (
    ABORTED,
    FAILED,
    INGESTION,
    MEASURES,
    RUNNING,
    SEGMENTATION,
    SKIPPED,
    SUCCESSFUL,
    Audit,
    DataSource,
    Failure,
    Job,
    Measure,
    MeasureEvaluation,
    Segment,
    SegmentEvaluation,
    Step,
    Task,
)
from local.tenant.tables import Row, Table, new_partitions
from local.tenant.workflow import Workflow, derived_id

REFRESH_TOOK = timedelta(minutes=3)
EVALUATION_TOOK = timedelta(seconds=20)
EXPIRED = Failure("IngestionCredentialsExpired", "The credentials of the data source have expired.")
NOT_EVALUATED = Failure("EvaluationFailed", "The evaluation could not be run.", culprit="system")
_ADMIN = "admin@contoso.com"
_SEGMENT_TASKS = {"CompletedSuccess": SUCCESSFUL, "Cancelled": ABORTED, "Queued": "queued", "Running": RUNNING}
_MEASURE_TASKS = {"completed": SUCCESSFUL, RUNNING: RUNNING}


@dataclass(slots=True)
class Instance:
    """One environment: its objects and its workflow.

    `stray` holds raw items that a list answer shows besides its regular ones, by list ("datasources", "segments",
    "measures", "status", "jobs"): what no client expects, for showing that it does no harm.
    """

    id: str
    name: str
    created_at: datetime
    data_sources: dict[str, DataSource] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    stray: dict[str, list[object]] = field(default_factory=dict)
    workflow: Workflow = field(init=False)

    def __post_init__(self) -> None:
        self.workflow = Workflow(self.id)

    @property
    def audit(self) -> Audit:
        """Who made the instance, and when."""
        return self._audit(self.created_at)

    @property
    def schedule_id(self) -> str:
        """The id of its refresh schedule."""
        return derived_id(self.id, "schedule")

    def add_data_source(  # noqa: PLR0913 - each names one field of the record
        self,
        name: str,
        at: datetime,
        *,
        friendly_name: str | None = None,
        kind: str = "powerQuery",
        entity_names: Sequence[str] = ("Contacts",),
        refreshed: bool = True,
    ) -> DataSource:
        """Add a data source that was last refreshed at `at` (`refreshed=False`: that never was)."""
        source = DataSource(
            derived_id(self.id, "data source", name),
            name,
            friendly_name or name,
            kind,
            tuple(entity_names),
            self._audit(at),
        )
        self.data_sources[source.id] = source
        node = self.workflow.node(step_of(source))
        if refreshed:
            source.refresh_state, source.last_refresh = "updated", at
            node.status, node.ended_at, node.succeeded_at = SUCCESSFUL, at, at
        return source

    def add_segment(
        self, name: str, count: int, at: datetime, *, friendly_name: str | None = None, description: str = ""
    ) -> Segment:
        """Add an active segment and evaluate it for the first time at `at`."""
        segment = Segment(name, friendly_name or name.replace("_", " "), description, self._audit(at))
        self.segments[name] = segment
        self.evaluate_segment(name, count, at)
        return segment

    def add_measure(  # noqa: PLR0913 - each names one field of the record
        self,
        name: str,
        value: Decimal | int | None,
        at: datetime,
        *,
        display_name: str | None = None,
        description: str = "",
        aggregate: tuple[str, str] = ("sum", "Amount"),
        dimensions: Sequence[str] = (),
        sql: str | None = None,
    ) -> Measure:
        """Add a measure of an (operation, column) `aggregate`, or one defined by `sql`, and evaluate it at `at`."""
        operation, column = aggregate
        shown = display_name or name.replace("_", " ")
        audit = self._audit(at)
        measure = Measure(name, shown, description, name, operation, column, audit, tuple(dimensions), sql)
        self.measures[name] = measure
        self.evaluate_measure(name, value, at)
        return measure

    def add_table(  # noqa: PLR0913 - each names one field of the record
        self,
        name: str,
        columns: Mapping[str, str],
        rows: Iterable[Row] = (),
        *,
        keys: Sequence[str] | None = None,
        entity_type: str = "unspecified",
        source: DataSource | None = None,
        expands: Mapping[str, str] | None = None,
        partitions: int = 1,
        header: bool = False,
        at: datetime | None = None,
    ) -> Table:
        """Add a table, refreshed at `at`, of columns by name with their types; the first is the key if none is named.

        The table has the rows it is given, not copies of them. One from a `source` bears that source's name as well.
        """
        table = Table(
            name if source is None else f"{source.name}_{name}",
            dict(columns),
            list(rows),
            tuple(columns)[:1] if keys is None else tuple(keys),
            at or self.created_at,
            entity_type,
            source,
            dict(expands or {}),
            new_partitions(partitions),
            header,
        )
        self.tables[table.name] = table
        return table

    def data_source(self, friendly_name: str) -> DataSource:
        """Find the data source that people call `friendly_name`; KeyError when there is none."""
        for source in self.data_sources.values():
            if source.friendly_name == friendly_name:
                return source
        raise KeyError(friendly_name)

    def count(self, name: str) -> int:
        """Give the last known size of a segment; 0 before its first success."""
        counts = [each.count for each in self.segments[name].evaluations if each.count is not None]
        return counts[-1] if counts else 0

    def value(self, name: str) -> Decimal:
        """Give the last known value of a scalar measure; 0 before its first success."""
        measure = self.measures[name]
        outputs = [each.values for each in measure.evaluations if each.values is not None]
        return Decimal(outputs[-1][measure.alias]) if outputs else Decimal(0)

    def refresh_data_source(  # noqa: PLR0913 - each is a fact of the refresh
        self,
        source_id: str,
        ok: bool,  # noqa: FBT001 - a refresh went well or it did not; the name says the rest
        at: datetime,
        *,
        error: Failure | None = None,
        kind: str = "scheduled",
        took: timedelta = REFRESH_TOOK,
    ) -> Job:
        """Refresh one data source in a job of its own that ended at `at`."""
        self.start_refresh(source_id, at - took, kind=kind)
        return self.end_refresh(source_id, ok, at, error=error)

    def start_refresh(self, source_id: str, at: datetime, *, kind: str = "scheduled", status: str = RUNNING) -> Job:
        """Begin a refresh: a job and its task that are `queued` or `running`, the data source `updating`."""
        source = self.data_sources[source_id]
        source.refresh_state = "updating"
        return self.workflow.begin(step_of(source), at, kind=kind, status=status)

    def fail_attempt(self, source_id: str, at: datetime, *, error: Failure = EXPIRED) -> Job:
        """Fail one attempt of a refresh under way: the task has failed, the job still runs and may yet heal it."""
        step = step_of(self.data_sources[source_id])
        job = self.workflow.under_way(step)
        self.workflow.end_task(job, job.task(step), FAILED, at, error)
        return job

    def end_refresh(
        self,
        source_id: str,
        ok: bool,  # noqa: FBT001 - a refresh went well or it did not; the name says the rest
        at: datetime,
        *,
        error: Failure | None = None,
    ) -> Job:
        """End the refresh under way, well or with `error`."""
        return self._end_refresh(source_id, SUCCESSFUL if ok else FAILED, at, error or EXPIRED)

    def cancel_refresh(self, source_id: str, at: datetime) -> Job:
        """Stop the refresh under way, as a user may."""
        return self._end_refresh(source_id, ABORTED, at, None)

    def evaluate_segment(
        self, name: str, count: int | None, at: datetime, status: str = "CompletedSuccess", *, within_run: bool = False
    ) -> None:
        """Evaluate a segment, ended at `at`; `Queued` and `Running` leave it open.

        The evaluation has a job of its own unless it is part of a run.
        """
        segment = self.segments[name]
        success = status == "CompletedSuccess"
        failure = NOT_EVALUATED if status == "CompletedFailure" else None
        _drop_under_way(segment.evaluations)
        run_id = derived_id(self.id, "segment", name, len(segment.evaluations))
        segment.evaluations.append(SegmentEvaluation(at, status, count if success else None, run_id, failure))
        if not within_run:
            self.workflow.note(step_of(segment), _SEGMENT_TASKS.get(status, FAILED), at, failure)

    def evaluate_measure(  # noqa: PLR0913 - each is a fact of the evaluation
        self,
        name: str,
        value: Decimal | int | None,
        at: datetime,
        state: str = "completed",
        *,
        took: timedelta = EVALUATION_TOOK,
        within_run: bool = False,
    ) -> None:
        """Evaluate a measure from `at - took` to `at`; `running` leaves it open.

        The evaluation has a job of its own unless it is part of a run.
        """
        measure = self.measures[name]
        failure = NOT_EVALUATED if state == FAILED else None
        shown = state == "completed" and measure.scalar and value is not None
        _drop_under_way(measure.evaluations)
        run_id = derived_id(self.id, "measure", name, len(measure.evaluations))
        evaluation = MeasureEvaluation(
            started_at=at - took,
            ended_at=None if state == RUNNING else at,
            state=state,
            run_id=run_id,
            values={measure.alias: str(value)} if shown else None,
            error=failure.message if failure else None,
        )
        measure.evaluations.append(evaluation)
        if not within_run:
            self.workflow.note(step_of(measure), _MEASURE_TASKS.get(state, FAILED), at, failure)

    def settle_data_source(self, task: Task) -> None:
        """Let the data source of an ended ingestion task tell how its refresh went."""
        source = self.data_sources[task.step.identifier]
        if task.status == SUCCESSFUL:
            source.refresh_state, source.last_refresh = "updated", task.ended_at
        elif task.status != SKIPPED:
            source.refresh_state = "updateCancelled" if task.status == ABORTED else "updateFailed"

    def _end_refresh(self, source_id: str, status: str, at: datetime, failure: Failure | None) -> Job:
        step = step_of(self.data_sources[source_id])
        job = self.workflow.end(step, status, at, failure)
        self.settle_data_source(job.task(step))
        return job

    def _audit(self, at: datetime) -> Audit:
        return Audit(self.id, _ADMIN, at, 1, _ADMIN, at)


@dataclass(slots=True)
class Tenant:
    """A tenant: its instances by id, and what goes wrong with its API."""

    instances: dict[str, Instance] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def add_instance(self, name: str, at: datetime) -> Instance:
        """Add an empty instance."""
        instance = Instance(derived_id("instance", name), name, at)
        self.instances[instance.id] = instance
        return instance


def step_of(resource: DataSource | Segment | Measure) -> Step:
    """Name the workflow's step that brings a resource up to date."""
    match resource:
        case DataSource():
            return Step(INGESTION, resource.id, resource.friendly_name)
        case Segment():
            return Step(SEGMENTATION, resource.name, resource.friendly_name)
        case Measure():
            return Step(MEASURES, resource.name, resource.display_name)


def _drop_under_way(evaluations: list[SegmentEvaluation] | list[MeasureEvaluation]) -> None:
    """Make room for the evaluation that takes the place of one under way."""
    if evaluations and evaluations[-1].under_way:
        evaluations.pop()
