"""Segments: what a segment tells."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from shared.domain.events.data import EventData
from shared.domain.events.filters import Asked, Choice
from shared.domain.events.thresholds import ThresholdCrossed, ThresholdFilters
from shared.domain.events.wire import Error, Text, because, sentence
from shared.domain.rules import Rule


class SegmentFilters(ThresholdFilters):
    """The segment and the threshold to watch."""

    segment_name: Asked = Field(
        title="Segment", description="The segment to watch, by its name and not its display name."
    )

    def rule(self, rule_id: str) -> Rule:
        """The rule on the segment."""
        return Rule(rule_id, self.segment_name, self.threshold, self.direction, self.rearm_margin)


class SegmentChoice(Choice):
    """The segment to watch; none: any."""

    chosen = "segment_name"

    segment_name: Asked | None = Field(
        default=None,
        title="Segment",
        description="The one segment to hear of, by its name and not its display name; any when left out.",
    )


class OfSegment(EventData):
    """What is told of a segment."""

    segment_name: str = Field(description="The segment.")
    friendly_name: Text | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The segment."""
        return f"segments/{self.segment_name}"

    @property
    def called(self) -> str:
        """The segment as people call it."""
        return self.friendly_name or self.segment_name


class SegmentThresholdCrossed(OfSegment, ThresholdCrossed):
    """A segment's member count crossed a subscribed threshold."""

    event_type = "CustomerInsights.Segment.ThresholdCrossed"
    title = "When a segment crosses a threshold"
    description = "The number of members of a segment crossed a threshold, upwards, downwards or either way."
    slug = "segment-threshold-crossed"
    filters = SegmentFilters
    sample: ClassVar[Mapping[str, Any]] = {
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


class SegmentRefreshFailed(OfSegment):
    """A segment's evaluation ended in failure."""

    event_type = "CustomerInsights.Segment.RefreshFailed"
    title = "When a segment refresh fails"
    description = "A segment could not be evaluated; the error says what is known of the reason."
    slug = "segment-refresh-failed"
    filters = SegmentChoice
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "segmentName": "Churn_Risk",
        "friendlyName": "Churn risk",
        "completedAt": "2026-11-20T04:03:20Z",
        "error": {"code": "AttributeNotFound", "message": "The attribute LastOrder does not exist."},
    }

    completed_at: AwareDatetime | None = Field(default=None, description="When the evaluation ended (UTC).")
    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the segment could not be refreshed.{because(self.error)}")


class SegmentDeactivated(OfSegment):
    """A segment that was active is no more."""

    event_type = "CustomerInsights.Segment.Deactivated"
    title = "When a segment is deactivated"
    description = "A segment that was active is no more: it is not refreshed until somebody activates it."
    slug = "segment-deactivated"
    filters = SegmentChoice
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "segmentName": "Summer_2024",
        "friendlyName": "Summer 2024",
        "state": "inactive",
        "previousState": "active",
    }

    state: Text = Field(description="The state that it is in, for example inactive.")
    previous_state: Text = Field(description="The state that it was in: active.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the segment is no longer active, but {self.state}.")
