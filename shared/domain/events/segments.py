"""Segments: what a segment tells."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.domain.events.filters import Asked
from shared.domain.events.thresholds import ThresholdCrossed, ThresholdFilters
from shared.domain.events.wire import Text
from shared.domain.rules import Rule


class SegmentFilters(ThresholdFilters):
    """The segment and the threshold to watch."""

    segment_name: Asked = Field(
        title="Segment", description="The segment to watch, by its name and not its display name."
    )

    def rule(self, rule_id: str) -> Rule:
        """The rule on the segment."""
        return Rule(rule_id, self.segment_name, self.threshold, self.direction, self.rearm_margin)


class SegmentThresholdCrossed(ThresholdCrossed):
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

    segment_name: str = Field(description="The segment.")
    friendly_name: Text | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The segment."""
        return f"segments/{self.segment_name}"
