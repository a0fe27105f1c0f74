"""The state of a simulated tenant, as typed records.

Records hold what Customer Insights would know. Enum values are plain strings, so that a tenant can also show values
that no client has heard of. Nothing here knows JSON, and no record changes itself: the verbs are in `model`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SUCCESSFUL = "successful"
FAILED = "failed"
ABORTED = "aborted"
SKIPPED = "skipped"
QUEUED = "queued"
RUNNING = "running"

INGESTION = "ingestion"
MAP = "map"
MATCH = "match"
MERGE = "merge"
SEGMENTATION = "segmentation"
MEASURES = "measures"
ALL = "all"

UNDER_WAY = frozenset({QUEUED, RUNNING})
SEGMENT_UNDER_WAY = frozenset({"Queued", "Running"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed: the parts of a `CIResult` that differ from one failure to the next."""

    code: str
    message: str
    culprit: str = "user"
    severity: str = "error"


@dataclass(slots=True)
class Audit:
    """Who made and last changed an object, and when."""

    instance_id: str
    created_by: str
    created_at: datetime
    version: int = 1
    updated_by: str = ""
    updated_at: datetime | None = None


@dataclass(slots=True)
class DataSource:
    """A data source; `refresh_state` and `last_refresh` are its own account of its latest refresh."""

    id: str
    name: str
    friendly_name: str
    kind: str
    entity_names: tuple[str, ...]
    audit: Audit
    refresh_state: str = "notUpdated"
    last_refresh: datetime | None = None
    provisioning_state: str = "active"


@dataclass(frozen=True, slots=True)
class SegmentEvaluation:
    """One evaluation of a segment: `count` members at `at`; no count where it did not succeed."""

    at: datetime
    status: str
    count: int | None
    run_id: str
    failure: Failure | None = None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in SEGMENT_UNDER_WAY


@dataclass(slots=True)
class Segment:
    """A segment with its evaluations, oldest first."""

    name: str
    friendly_name: str
    description: str
    audit: Audit
    state: str = "active"
    kind: str = "default"
    evaluations: list[SegmentEvaluation] = field(default_factory=list)

    def history(self, since: datetime | None) -> list[SegmentEvaluation] | None:
        """Give the evaluations that have ended, from `since` on; None without it."""
        if since is None:
            return None
        return [each for each in self.evaluations if not each.under_way and each.at >= since]


@dataclass(frozen=True, slots=True)
class MeasureEvaluation:
    """One evaluation of a measure; `values` is what a scalar measure put out, none where it did not complete."""

    started_at: datetime
    ended_at: datetime | None
    state: str
    run_id: str
    values: Mapping[str, str] | None = None
    error: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended_at is None


@dataclass(slots=True)
class Measure:
    """A measure with its evaluations, oldest first. It is scalar without dimensions; `sql` makes it a manual one."""

    name: str
    display_name: str
    description: str
    alias: str
    operation: str
    column: str
    audit: Audit
    dimensions: tuple[str, ...] = ()
    sql: str | None = None
    evaluations: list[MeasureEvaluation] = field(default_factory=list)

    @property
    def scalar(self) -> bool:
        """Whether it has one value rather than one per dimension member."""
        return not self.dimensions

    def history(self, since: datetime | None) -> list[MeasureEvaluation] | None:
        """Give the evaluations that have ended and started from `since` on; None without it."""
        if since is None:
            return None
        return [each for each in self.evaluations if not each.under_way and each.started_at >= since]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on one object: `identifier` is a data source's id, a segment's or measure's name."""

    operation: str
    identifier: str
    friendly_name: str


@dataclass(slots=True)
class Task:
    """One step of a job. The wire names its object by friendly name only."""

    id: str
    step: Step
    status: str
    submitted_at: datetime
    ended_at: datetime | None = None
    failure: Failure | None = None
    waits_for: tuple[str, ...] = ()


@dataclass(slots=True)
class Job:
    """A run of the workflow with its tasks."""

    id: str
    operation: str
    status: str
    kind: str
    mode: str
    submitted_at: datetime
    ended_at: datetime | None = None
    tasks: list[Task] = field(default_factory=list)
    identifiers: tuple[str, ...] = ()
    run_downstream: bool | None = None
    forced: bool = False

    def task(self, step: Step) -> Task:
        """Give the task of a step of this job."""
        return next(task for task in self.tasks if task.step == step)


@dataclass(slots=True)
class Node:
    """A node of the workflow: how its latest run stands, and when it last succeeded."""

    step: Step
    status: str | None = None
    job_ids: tuple[str, ...] = ()
    ended_at: datetime | None = None
    success_job_ids: tuple[str, ...] = ()
    succeeded_at: datetime | None = None
    failure: Failure | None = None
    reason: str = "requested"
