"""Measures: what a measure tells."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field, Strict, StringConstraints

from shared.domain.events.data import EventData
from shared.domain.events.filters import Asked, Choice
from shared.domain.events.thresholds import JsonNumber, ThresholdCrossed, ThresholdFilters
from shared.domain.events.wire import Error, Number, Text, because, sentence
from shared.domain.rules import Rule

# A measure has few dimensions, and their values are names, numbers or dates.
MAX_DIMENSIONS, MAX_VALUE = 20, 1_000
DimensionValue = Annotated[str, Strict(), StringConstraints(max_length=MAX_VALUE)] | JsonNumber


class MeasureFilters(ThresholdFilters):
    """The measure and the threshold to watch."""

    measure_name: Asked = Field(
        title="Measure", description="The measure to watch, by its name and not its display name."
    )

    dimensions: dict[Asked, DimensionValue] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_DIMENSIONS,
        description="Of a measure with dimensions: a value for each of them, for example Country: DE.",
    )
    aggregate: Asked | None = Field(
        default=None,
        title="Calculation",
        description="Of a measure with dimensions and several calculations: the name of the one to watch.",
    )

    def asked(self) -> Mapping[str, Any]:
        """What is asked for; dimensions and calculation only where they are, for a flow of before had none."""
        more = ("dimensions", "aggregate")
        return {name: value for name, value in super().asked().items() if name not in more or value is not None}

    def rule(self, rule_id: str) -> Rule:
        """The rule on the measure."""
        return Rule(
            *(rule_id, self.measure_name, self.threshold, self.direction, self.rearm_margin),
            dimensions=self.dimensions,
            aggregate=self.aggregate,
        )


class MeasureChoice(Choice):
    """The measure to watch; none: any."""

    chosen = "measure_name"

    measure_name: Asked | None = Field(
        default=None,
        title="Measure",
        description="The one measure to hear of, by its name and not its display name; any when left out.",
    )


class OfMeasure(EventData):
    """What is told of a measure."""

    measure_name: str = Field(description="The measure.")
    display_name: Text | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The measure."""
        return f"measures/{self.measure_name}"

    @property
    def called(self) -> str:
        """The measure as people call it."""
        return self.display_name or self.measure_name


class MeasureThresholdCrossed(OfMeasure, ThresholdCrossed):
    """A business measure's value crossed a subscribed threshold."""

    event_type = "CustomerInsights.Measure.ThresholdCrossed"
    title = "When a business measure crosses a threshold"
    description = "The value of a measure crossed a threshold, upwards, downwards or either way."
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

    dimensions: dict[str, str | Number] | None = Field(
        default=None, description="Of a measure with dimensions: the values that it is about, by dimension."
    )

    @property
    def called(self) -> str:
        """The measure, and which of its values, as people call it."""
        values = ", ".join(f"{name} {value}" for name, value in (self.dimensions or {}).items())
        return f"{super().called} ({values})" if values else super().called


class MeasureRefreshFailed(OfMeasure):
    """A measure's evaluation ended in failure."""

    event_type = "CustomerInsights.Measure.RefreshFailed"
    title = "When a measure refresh fails"
    description = "A measure could not be evaluated; the error says what is known of the reason."
    slug = "measure-refresh-failed"
    filters = MeasureChoice
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "measureName": "Revenue",
        "displayName": "Revenue this month",
        "completedAt": "2026-11-20T04:05:31Z",
        "consecutiveFailures": 2,
        "error": {"message": "The attribute Amount does not exist."},
    }

    completed_at: AwareDatetime | None = Field(default=None, description="When the evaluation ended (UTC).")
    consecutive_failures: int | None = Field(default=None, description="How many evaluations failed in a row.")
    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the measure could not be refreshed.{because(self.error)}")
