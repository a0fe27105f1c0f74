"""The resources of Customer Insights as the bridge sees them: what one poll reads, and nothing else.

Enum values arrive here in one spelling (camelCase, `shared.insights.wire` sees to it); values nobody knew when this
was written arrive as they came. Times are aware and in UTC; a time that the API leaves out is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import dataclass_transform

SUCCESSFUL = "successful"
FAILED = "failed"
TIMED_OUT = "timedOut"
ABORTED = "aborted"
SKIPPED = "skipped"
DELETED = "deleted"

# What stands for a job's or task's status or operation where the API leaves it out. It is no value of the API's own, so
# it is neither an end nor an outcome.
UNKNOWN = "unknown"

SCHEDULED = "scheduled"

INGESTION = "ingestion"
MAP = "map"
MATCH = "match"
MERGE = "merge"
EXPORT = "export"
ALL = "all"

UPDATED = "updated"
UPDATING = "updating"
UPDATE_FAILED = "updateFailed"
REFRESH_CREDENTIALS = "refreshCredentials"

COMPLETED = "completed"
COMPLETED_SUCCESS = "completedSuccess"
COMPLETED_FAILURE = "completedFailure"
INTERRUPTED = "interrupted"

ACTIVE = "active"
VALIDATING = "validating"
VALIDATED = "validated"


@dataclass_transform(frozen_default=True)
def resource[Class](cls: type[Class]) -> type[Class]:
    """A dataclass that nothing may change once it is made, which the type checker alone watches over.

    A poll makes tens of thousands, and one that watches over itself (`frozen`) takes three times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@resource
class Fault:
    """An error as Customer Insights tells it (its `CIResult`)."""

    code: str | None = None
    message: str | None = None
    culprit: str | None = None
    severity: str | None = None


@resource
class Instance:
    """One environment of Customer Insights."""

    id: str
    name: str | None = None


@resource
class DataSource:
    """A data source; `last_refresh` and `refresh_state` are its own account of its latest refresh."""

    id: str
    name: str | None = None
    friendly_name: str | None = None
    kind: str | None = None
    refresh_state: str | None = None
    last_refresh: datetime | None = None
    provisioning_state: str | None = None


@resource
class Task:
    """One step of a job; it names its object by `friendly_name` only. `error` is the first of the `errors`."""

    operation_type: str
    status: str
    id: str | None = None
    friendly_name: str | None = None
    job_ids: Sequence[str] = ()
    ended_at: datetime | None = None
    error: Fault | None = None
    errors: Sequence[Fault] = ()


@resource
class Job:
    """A run of the workflow; `tasks` is None where the API gave none."""

    id: str
    status: str
    operation_type: str | None = None
    submission_kind: str | None = None
    mode: str | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    tasks: Sequence[Task] | None = None


@resource
class Node:
    """The state of one node of the workflow: how its latest run ended, and when it last succeeded.

    `error` is the first of the `errors`.
    """

    operation_type: str
    identifier: str
    status: str | None = None
    friendly_name: str | None = None
    job_ids: Sequence[str] = ()
    ended_at: datetime | None = None
    success_job_ids: Sequence[str] = ()
    succeeded_at: datetime | None = None
    error: Fault | None = None
    errors: Sequence[Fault] = ()


@resource
class SegmentEvaluation:
    """One evaluation of a segment: `count` members at `at`."""

    status: str | None
    at: datetime | None
    count: int | None
    error: Fault | None = None


@resource
class Segment:
    """A segment with its latest evaluation and, where it was asked for, the earlier ones in any order."""

    name: str
    friendly_name: str | None = None
    latest: SegmentEvaluation | None = None
    history: Sequence[SegmentEvaluation] = ()
    state: str | None = None


@resource
class MeasureEvaluation:
    """One evaluation of a measure and when it ended."""

    state: str | None
    ended_at: datetime | None
    error: Fault | None = None


@resource
class MeasureOutput:
    """What an evaluation that started at `started_at` put out; None where it is not exactly one number."""

    started_at: datetime | None
    value: Decimal | None


@resource
class Measure:
    """A measure; only a scalar one (no dimension) has one value to compare. The histories may be in any order.

    `failures` is how many evaluations failed in a row; `dimensions` and `aggregates` are the columns of its table.
    """

    name: str
    display_name: str | None = None
    scalar: bool = False
    latest: MeasureEvaluation | None = None
    output: MeasureOutput | None = None
    evaluations: Sequence[MeasureEvaluation] = ()
    outputs: Sequence[MeasureOutput] = ()
    failures: int | None = None
    dimensions: Sequence[str] = ()
    aggregates: Sequence[str] = ()
