"""Jobs: what the end of a run tells."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.domain import stages
from shared.domain.events.data import EventData
from shared.domain.events.filters import ANY, Asked, Filters, named, or_any
from shared.domain.events.overdue import Overdue, OverdueFilters
from shared.domain.events.wire import Error, Text, Warned, Wire, because, sentence, warning

# Event Grid puts at most 49,152 bytes of event into a storage queue message (64 KiB after base64). What an event may
# hold without bound, its failed tasks, warnings and error texts, is cut so that the whole stays well under that.
MAX_FAILED_TASKS_BYTES, MAX_WARNINGS_BYTES = 24_000, 8_000

type Outcome = Literal["succeeded", "failed", "timedOut", "canceled", "skipped"]
ENDED: Mapping[Outcome, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "timedOut": "timed out",
    "canceled": "was canceled",
    "skipped": "was skipped",
}


class RunFilters(Filters):
    """The runs to hear of."""

    outcome: Literal["any", "succeeded", "failed", "timedOut", "canceled", "skipped"] = Field(
        default=ANY,
        description="Only runs that succeeded, failed, timedOut, were canceled or skipped; any: all of them.",
    )
    submission_kind: Literal["any", "scheduled", "onDemand"] = Field(
        default=ANY,
        title="How it was started",
        description="Only scheduled runs, or only those that somebody started (onDemand); any: both.",
    )

    def route(self) -> tuple[str, ...]:
        """The outcome and the kind, either of which may be any."""
        return (self.outcome, self.submission_kind)

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """The event's own outcome and kind, either of which may be any."""
        return or_any(str(data.get("outcome", ANY)), str(data.get("submissionKind", ANY)))


class StageFilters(RunFilters):
    """The stages of runs to hear of."""

    stage: Asked | None = Field(
        default=None,
        description="Only this stage: dataSources, unification, relationships, activities, enrichments, segments, "
        "measures, predictions, exports or dataverseSync; any when left out.",
    )

    def route(self) -> tuple[str, ...]:
        """The outcome, the kind and the stage, any of which may be any."""
        return (*super().route(), named(self.stage and stages.key(self.stage)))

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """The event's own outcome, kind and stage, any of which may be any."""
        mine = (str(data.get("outcome", ANY)), str(data.get("submissionKind", ANY)))
        return or_any(*mine, named(stages.key(str(data.get("stage")))))


class RunCompleted(EventData):
    """What the end of a run tells."""

    job_id: str = Field(description="The job.")
    outcome: Outcome = Field(description="How it ended.")
    submission_kind: Text | None = Field(default=None, description="scheduled or onDemand.")
    mode: Text | None = Field(default=None, description="full or incremental.")
    warnings: Sequence[Warned] | None = Field(
        default=None, description="What Customer Insights warns of, of tasks that succeeded; as many as fit."
    )

    @property
    def subject(self) -> str:
        """The job."""
        return f"jobs/{self.job_id}"

    def ended(self, called: str, failed: "Sequence[FailedTask] | None" = None) -> str:
        """How it ended in a sentence, with what people call it."""
        first = failed[0] if failed else None
        told = f" {first.name or first.operation_type} failed.{because(first.error)}" if first else ""
        return sentence(f"{called} {ENDED[self.outcome]}.{told or warning(self.warnings)}")


class FailedTask(Wire):
    """A step of a run that failed."""

    operation_type: Text = Field(description="What it does, for example segmentation.")
    name: Text | None = Field(default=None, description="What it worked on.")
    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")


class WithTasks(RunCompleted):
    """What the end of a run, or of a part of it, tells of its tasks."""

    task_counts: dict[str, int] | None = Field(default=None, description="How many of its tasks ended how.")
    failed_tasks: Sequence[FailedTask] | None = Field(
        default=None, description="The tasks that failed; as many as fit into one event."
    )


class SystemRefreshCompleted(WithTasks):
    """A full refresh ended, whatever its outcome."""

    event_type = "CustomerInsights.System.RefreshCompleted"
    title = "When a full refresh is completed"
    description = "A full refresh of the environment ended, scheduled or on demand, whatever its outcome."
    slug = "system-refresh-completed"
    filters = RunFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "outcome": "failed",
        "submissionKind": "scheduled",
        "mode": "full",
        "submittedAt": "2026-11-20T03:00:00Z",
        "completedAt": "2026-11-20T04:10:00Z",
        "durationSeconds": 4200,
        "taskCounts": {"succeeded": 41, "failed": 1, "skipped": 0},
        "failedTasks": [
            {
                "operationType": "segmentation",
                "name": "Churn_Risk",
                "error": {"code": "SEG7", "message": "A column is missing.", "culprit": "user", "severity": "error"},
            }
        ],
    }

    submitted_at: AwareDatetime | None = Field(default=None, description="When it was submitted (UTC).")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")
    duration_seconds: float | None = Field(default=None, description="From submission to end, in seconds.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return self.ended("The full refresh", self.failed_tasks)


class UnificationStep(Wire):
    """Map, match or merge."""

    operation_type: Text = Field(description="map, match or merge.")
    outcome: Text = Field(description="How it ended.")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")


class UnificationRefreshCompleted(RunCompleted):
    """The unification part of a run ended."""

    event_type = "CustomerInsights.Unification.RefreshCompleted"
    title = "When a refresh of the unification process is completed"
    description = "The unification part of a run (map, match, merge) ended, whatever its outcome."
    slug = "unification-refresh-completed"
    filters = RunFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "outcome": "succeeded",
        "submissionKind": "scheduled",
        "mode": "full",
        "completedAt": "2026-11-20T03:40:00Z",
        "steps": [
            {"operationType": "map", "outcome": "succeeded", "completedAt": "2026-11-20T03:20:00Z"},
            {"operationType": "match", "outcome": "succeeded", "completedAt": "2026-11-20T03:30:00Z"},
            {"operationType": "merge", "outcome": "succeeded", "completedAt": "2026-11-20T03:40:00Z"},
        ],
    }

    completed_at: AwareDatetime | None = Field(default=None, description="When the merge ended (UTC).")
    steps: Sequence[UnificationStep] = Field(default=(), description="Its steps and how each ended.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return self.ended("The unification")


class StageRefreshCompleted(WithTasks):
    """One stage of a run ended."""

    event_type = "CustomerInsights.Stage.RefreshCompleted"
    title = "When a stage of a refresh is completed"
    description = "One stage of a run ended, whatever its outcome: for instance the segments, or the sync to Dataverse."
    slug = "stage-refresh-completed"
    filters = StageFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "stage": "dataverseSync",
        "outcome": "succeeded",
        "submissionKind": "scheduled",
        "mode": "full",
        "completedAt": "2026-11-20T04:08:00Z",
        "taskCounts": {"succeeded": 1, "failed": 0, "skipped": 0},
        "failedTasks": [],
    }

    stage: Text = Field(description="The stage, for example segments; of one nobody knows, the operation type.")
    completed_at: AwareDatetime | None = Field(default=None, description="When its last task ended (UTC).")

    @property
    def subject(self) -> str:
        """The stage of the job."""
        return f"jobs/{self.job_id}/{self.stage}"

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return self.ended(stages.CALLED.get(self.stage, f"The stage {self.stage}"), self.failed_tasks)


class SystemRefreshOverdue(Overdue):
    """No full refresh succeeded for longer than a subscriber allows."""

    event_type = "CustomerInsights.System.RefreshOverdue"
    title = "When a full refresh is overdue"
    description = "No full refresh of the environment succeeded for more hours than you allow."
    slug = "system-refresh-overdue"
    filters = OverdueFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "lastCompletedAt": "2026-11-19T04:10:00Z",
        "maxAgeHours": 26,
        "ruleId": "d93b0f6a2c8e4175",
    }

    @property
    def subject(self) -> str:
        """The whole."""
        return "system"

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return self.overdue("No full refresh succeeded")
