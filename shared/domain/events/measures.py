"""Measures: what a measure tells."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.domain.events.filters import Asked
from shared.domain.events.thresholds import ThresholdCrossed, ThresholdFilters
from shared.domain.events.wire import Text
from shared.domain.rules import Rule


class MeasureFilters(ThresholdFilters):
    """The measure and the threshold to watch."""

    measure_name: Asked = Field(
        title="Measure", description="The measure to watch, by its name and not its display name."
    )

    def rule(self, rule_id: str) -> Rule:
        """The rule on the measure."""
        return Rule(rule_id, self.measure_name, self.threshold, self.direction, self.rearm_margin)


class MeasureThresholdCrossed(ThresholdCrossed):
    """A business measure's value crossed a subscribed threshold."""

    event_type = "CustomerInsights.Measure.ThresholdCrossed"
    title = "When a business measure crosses a threshold"
    description = "The value of a measure without dimensions crossed a threshold, upwards, downwards or either way."
    slug = "measure-threshold-crossed"
    filters = MeasureFilters
    sample: ClassVar[Mapping[str, Any]] = {
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
    display_name: Text | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The measure."""
        return f"measures/{self.measure_name}"
