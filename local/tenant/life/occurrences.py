"""What happened in a tenant, as data: from it a demo or test works out the events to expect, without the bridge.

The event types stand here a second time, so that a wrong name in the bridge cannot hide. Whether an evaluation crosses
a threshold is for those who know the subscriptions to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

REFRESH_FAILED = "CustomerInsights.DataSource.RefreshFailed"
REFRESH_SUCCEEDED = "CustomerInsights.DataSource.RefreshSucceeded"
SEGMENT_CROSSED = "CustomerInsights.Segment.ThresholdCrossed"
MEASURE_CROSSED = "CustomerInsights.Measure.ThresholdCrossed"
SYSTEM_REFRESHED = "CustomerInsights.System.RefreshCompleted"
UNIFIED = "CustomerInsights.Unification.RefreshCompleted"
STAGE_ENDED = "CustomerInsights.Stage.RefreshCompleted"
SEGMENT_FAILED = "CustomerInsights.Segment.RefreshFailed"
MEASURE_FAILED = "CustomerInsights.Measure.RefreshFailed"
SOURCE_OVERDUE = "CustomerInsights.DataSource.RefreshOverdue"
POLLING_FAILED = "CustomerInsights.Bridge.PollingFailed"
POLLING_RECOVERED = "CustomerInsights.Bridge.PollingRecovered"


@dataclass(frozen=True, slots=True)
class Ended:
    """A refresh or a run that ended: one event, whoever listens.

    `outcome` is `succeeded`, `failed`, …; `submission_kind` is told for jobs.
    """

    event_type: str
    subject: str
    outcome: str
    submission_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A successful evaluation from one value to the next: an event for each threshold between them."""

    event_type: str
    subject: str
    previous: Decimal
    value: Decimal


type Occurrence = Ended | Evaluated


def refreshed(source_id: str, *, ok: bool, kind: str | None = None) -> Ended:
    """Tell of the end of a data source's refresh."""
    event_type, outcome = (REFRESH_SUCCEEDED, "succeeded") if ok else (REFRESH_FAILED, "failed")
    return Ended(event_type, f"data-sources/{source_id}", outcome, kind)


def system_refreshed(job_id: str, outcome: str, kind: str) -> Ended:
    """Tell of the end of a full refresh."""
    return Ended(SYSTEM_REFRESHED, f"jobs/{job_id}", outcome, kind)


def unified(job_id: str, outcome: str, kind: str) -> Ended:
    """Tell of the end of a job's unification part."""
    return Ended(UNIFIED, f"jobs/{job_id}", outcome, kind)


def stage_ended(stage: str, outcome: str, kind: str) -> Ended:
    """Tell of the end of a stage of a job, whichever job that is."""
    return Ended(STAGE_ENDED, f"stages/{stage}", outcome, kind)


def segment_failed(name: str) -> Ended:
    """Tell of a segment's evaluation that failed."""
    return Ended(SEGMENT_FAILED, f"segments/{name}", "failed")


def measure_failed(name: str) -> Ended:
    """Tell of a measure's evaluation that failed."""
    return Ended(MEASURE_FAILED, f"measures/{name}", "failed")


def source_overdue(source_id: str) -> Ended:
    """Tell of a data source that was not refreshed for longer than the one flow that watches its age allows."""
    return Ended(SOURCE_OVERDUE, f"data-sources/{source_id}", "overdue")


def polling_failed(family: str) -> Ended:
    """Tell that a family cannot be polled."""
    return Ended(POLLING_FAILED, f"polling/{family}", "failed")


def polling_recovered(family: str) -> Ended:
    """Tell that a family can be polled again."""
    return Ended(POLLING_RECOVERED, f"polling/{family}", "succeeded")


def segment_evaluated(name: str, previous: int, value: int) -> Evaluated:
    """Tell of a segment's evaluation."""
    return Evaluated(SEGMENT_CROSSED, f"segments/{name}", Decimal(previous), Decimal(value))


def measure_evaluated(name: str, previous: Decimal, value: Decimal) -> Evaluated:
    """Tell of a scalar measure's evaluation."""
    return Evaluated(MEASURE_CROSSED, f"measures/{name}", previous, value)


def fully_refreshed(
    source_ids: Iterable[str], job_id: str, outcome: str, kind: str, evaluations: Iterable[Occurrence]
) -> tuple[Occurrence, ...]:
    """Tell of a full refresh whose ingestion and unification went well, in the order in which things ended."""
    sources = (refreshed(source_id, ok=True) for source_id in source_ids)
    stages = (
        *(stage_ended(stage, "succeeded", kind) for stage in ("dataSources", "unification", "segments")),
        stage_ended("measures", outcome, kind),
    )
    return (
        *sources,
        unified(job_id, "succeeded", kind),
        *stages,
        *evaluations,
        system_refreshed(job_id, outcome, kind),
    )
