"""The typed events: each type's name, data, title, description and sample stand here once.

Everything that shows an event type (catalog, connector, docs) is made from these models. Field names are camelCase on
the wire; keys without a value are left out.
"""

import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from shared.domain import ids

# The bridge's own namespace for event ids: an id is a name-based UUID (RFC 9562, version 5) of the occurrence.
NAMESPACE = uuid.UUID("6d1f2c3e-5a0b-5c7e-9f41-2b8d3a6c9e10")
SOURCE_PREFIX = "/customer-insights/instances/"

# Event Grid puts at most 49,152 bytes of event into a storage queue message (64 KiB after base64). What an event may
# hold without bound, its failed tasks and error texts, is cut so that the whole stays well under that.
MAX_FAILED_TASKS_BYTES = 24_000
MAX_TEXT = 400
# The largest number up to which every whole number is a JSON number that all readers take exactly.
MAX_WHOLE = 2**53

# What a W3C trace context is made of, and no header is broken by. Whether it is one, whoever continues it decides.
_TRACEPARENT = re.compile(r"[0-9a-f-]{1,128}")

type Outcome = Literal["succeeded", "failed", "timedOut", "canceled", "skipped"]


def json_number(value: Decimal) -> int | float:
    """A decimal as the JSON number that flows can calculate with: whole numbers stay whole."""
    if value == value.to_integral_value() and abs(value) <= MAX_WHOLE:
        return int(value)
    return min(max(float(value), -sys.float_info.max), sys.float_info.max)


def json_text(value: object) -> str:
    """A value as JSON text that UTF-8 can hold: half a character stays the escape that JSON has for it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()


def trace_context(value: object) -> str | None:
    """A W3C trace context, or None for what is none."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def in_utc(at: datetime) -> datetime:
    """A time in UTC; raises ValueError where that is before or after all time."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time out of range") from None


Number = Annotated[
    Decimal,
    PlainSerializer(json_number, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1)]


class Wire(BaseModel):
    """A part of an event as it goes over the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Error(Wire):
    """What Customer Insights says went wrong; whatever is known."""

    code: Text | None = Field(default=None, description="The code of the error.")
    message: Text | None = Field(default=None, description="What went wrong, in words.")
    culprit: Text | None = Field(default=None, description="Who can mend it, for example user.")
    severity: Text | None = Field(default=None, description="How bad it is, for example error.")


class EventData(Wire):
    """The data of one event; subclasses say which type it is."""

    event_type: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    sample: ClassVar[Mapping[str, Any]]

    instance_id: str = Field(title="Environment id", description="The id of the Customer Insights environment.")
    test: Literal[True] | None = Field(default=None, description="Set on a sample event only.")

    @property
    def subject(self) -> str:
        """What the event is about, within its instance."""
        raise NotImplementedError


class DataSourceRefreshSucceeded(EventData):
    """A data source's refresh ended in success."""

    event_type = "CustomerInsights.DataSource.RefreshSucceeded"
    title = "When a data source refresh succeeds"
    description = "A data source was refreshed, on schedule or on demand."
    sample = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "dataSourceId": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
        "name": "Sales",
        "friendlyName": "Sales (Dynamics 365)",
        "kind": "powerQuery",
        "completedAt": "2026-11-20T03:12:45Z",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "submissionKind": "scheduled",
    }

    data_source_id: str = Field(description="The data source.")
    name: str | None = Field(default=None, description="Its name.")
    friendly_name: str | None = Field(default=None, description="Its name as people see it.")
    kind: str | None = Field(default=None, description="How it is connected, for example powerQuery.")
    completed_at: AwareDatetime | None = Field(default=None, description="When the refresh ended (UTC).")
    job_id: str | None = Field(default=None, description="The job that refreshed it, where known.")
    submission_kind: str | None = Field(default=None, description="scheduled or onDemand, where known.")

    @property
    def subject(self) -> str:
        """The data source."""
        return f"data-sources/{self.data_source_id}"


class DataSourceRefreshFailed(DataSourceRefreshSucceeded):
    """A data source's refresh ended in failure."""

    event_type = "CustomerInsights.DataSource.RefreshFailed"
    title = "When a data source refresh fails"
    description = "A data source could not be refreshed; the error says what is known of the reason."
    sample = {
        **DataSourceRefreshSucceeded.sample,
        "error": {
            "code": "DS42",
            "message": "The credentials have expired.",
            "culprit": "user",
            "severity": "error",
        },
    }

    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")


class ThresholdCrossed(EventData):
    """What a crossed threshold tells, whatever it was that crossed."""

    direction: Literal["above", "below"] = Field(description="Which way the value went.")
    threshold: Number = Field(description="The threshold.")
    previous_value: Number = Field(description="The value before.")
    value: Number = Field(description="The value that crossed.")
    evaluated_at: AwareDatetime = Field(description="When the value was calculated (UTC).")
    rule_id: str = Field(description="The rule of the subscription that asked for this threshold.")


class SegmentThresholdCrossed(ThresholdCrossed):
    """A segment's member count crossed a subscribed threshold."""

    event_type = "CustomerInsights.Segment.ThresholdCrossed"
    title = "When a segment crosses a threshold"
    description = "The number of members of a segment crossed a threshold, upwards, downwards or either way."
    sample = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "segmentName": "Big_Spenders",
        "friendlyName": "Big spenders",
        "direction": "above",
        "threshold": 10000,
        "previousValue": 9874,
        "value": 10031,
        "evaluatedAt": "2026-11-20T04:02:10Z",
        "ruleId": "5f2b7c1e9a8d4e0b",
    }

    segment_name: str = Field(description="The segment.")
    friendly_name: str | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The segment."""
        return f"segments/{self.segment_name}"


class MeasureThresholdCrossed(ThresholdCrossed):
    """A business measure's value crossed a subscribed threshold."""

    event_type = "CustomerInsights.Measure.ThresholdCrossed"
    title = "When a business measure crosses a threshold"
    description = "The value of a measure without dimensions crossed a threshold, upwards, downwards or either way."
    sample = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "measureName": "Revenue",
        "displayName": "Revenue this month",
        "direction": "below",
        "threshold": 1000000,
        "previousValue": 1000418.5,
        "value": 998120.25,
        "evaluatedAt": "2026-11-20T04:05:31Z",
        "ruleId": "c4d1a07e3b5f4a92",
    }

    measure_name: str = Field(description="The measure.")
    display_name: str | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The measure."""
        return f"measures/{self.measure_name}"


class RunCompleted(EventData):
    """What the end of a run tells."""

    job_id: str = Field(description="The job.")
    outcome: Outcome = Field(description="How it ended.")
    submission_kind: str | None = Field(default=None, description="scheduled or onDemand.")
    mode: str | None = Field(default=None, description="full or incremental.")

    @property
    def subject(self) -> str:
        """The job."""
        return f"jobs/{self.job_id}"


class FailedTask(Wire):
    """A step of a run that failed."""

    operation_type: str = Field(description="What it does, for example segmentation.")
    name: Text | None = Field(default=None, description="What it worked on.")
    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")


class SystemRefreshCompleted(RunCompleted):
    """A full refresh ended, whatever its outcome."""

    event_type = "CustomerInsights.System.RefreshCompleted"
    title = "When a full refresh is completed"
    description = "A full refresh of the environment ended, scheduled or on demand, whatever its outcome."
    sample = {
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
    task_counts: dict[str, int] | None = Field(default=None, description="How many of its tasks ended how.")
    failed_tasks: Sequence[FailedTask] | None = Field(
        default=None, description="The tasks that failed; as many as fit into one event."
    )


class UnificationStep(Wire):
    """Map, match or merge."""

    operation_type: str = Field(description="map, match or merge.")
    outcome: str = Field(description="How it ended.")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")


class UnificationRefreshCompleted(RunCompleted):
    """The unification part of a run ended."""

    event_type = "CustomerInsights.Unification.RefreshCompleted"
    title = "When a refresh of the unification process is completed"
    description = "The unification part of a run (map, match, merge) ended, whatever its outcome."
    sample = {
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


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence as a CloudEvent 1.0; `raw` is the JSON object that travels from the topic to the flow."""

    raw: Mapping[str, Any]
    id: str
    type: str
    instance_id: str
    time: datetime

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's data, as JSON values."""
        data: Mapping[str, Any] = self.raw["data"]
        return data

    @property
    def traceparent(self) -> str | None:
        """The trace the event belongs to, where it names one."""
        return trace_context(self.raw.get("traceparent"))

    def traced(self, traceparent: str | None) -> Self:
        """The event as a part of a trace; without one, as it is."""
        return self if traceparent is None else replace(self, raw={**self.raw, "traceparent": traceparent})

    def encode(self) -> str:
        """The event as JSON text: the same for every delivery."""
        return json_text(self.raw)

    @classmethod
    def of(cls, data: EventData, *, time: datetime, occurrence: Sequence[str]) -> Self:
        """Make the event of an occurrence; `occurrence` names it among all of its type in its instance, ids by key."""
        name = json.dumps([data.event_type, ids.key(data.instance_id), *occurrence])
        return cls.parse(
            {
                "specversion": "1.0",
                "id": str(uuid.uuid5(NAMESPACE, name)),
                "source": SOURCE_PREFIX + data.instance_id,
                "type": data.event_type,
                "subject": data.subject,
                "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "datacontenttype": "application/json",
                "data": data.model_dump(mode="json", by_alias=True, exclude_none=True),
            }
        )

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` has written; raises ValueError saying what is wrong with it."""
        return cls.parse(json.loads(text))

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read a CloudEvent of ours; raises ValueError saying which attribute is wrong."""
        try:
            envelope = _ENVELOPE.validate_python(raw)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in wrong["loc"]) or "event"
            raise ValueError(f"not a CloudEvent of the bridge: {where}: {wrong['msg']}") from None
        assert isinstance(raw, Mapping)  # noqa: S101 - tells the type checker what the model has just shown
        return cls(raw, envelope.id, envelope.type, envelope.data.instanceId, in_utc(envelope.time))


class _Instance(BaseModel):
    model_config = ConfigDict(strict=True)

    instanceId: Name  # noqa: N815 - the wire's spelling


class _Envelope(BaseModel):
    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
    source: Name
    type: Name
    time: AwareDatetime
    data: _Instance


_ENVELOPE = TypeAdapter(_Envelope)
