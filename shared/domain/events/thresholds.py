"""Thresholds: what a crossed one tells, whatever it was that crossed."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, WithJsonSchema

from shared.domain.events.data import EventData
from shared.domain.events.filters import RuleFilters
from shared.domain.events.wire import Number, count, sentence
from shared.domain.rules import EXACT

# Far beyond any count or amount, and near enough for exact arithmetic.
LIMIT = Decimal(10) ** 24


def _counted(number: Decimal) -> Decimal:
    """The number, unless it has more digits than are compared."""
    if len(number.as_tuple().digits) > EXACT.prec:
        raise ValueError(f"must have at most {EXACT.prec} digits")
    return number


JsonNumber = Annotated[
    Number,
    AfterValidator(_counted),
    Field(strict=True, allow_inf_nan=False, ge=-LIMIT, le=LIMIT),
    WithJsonSchema({"type": "number", "minimum": -float(LIMIT), "maximum": float(LIMIT)}),
]
Margin = Annotated[
    Number,
    AfterValidator(_counted),
    Field(strict=True, allow_inf_nan=False, ge=0, le=LIMIT),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": float(LIMIT)}),
]


class ThresholdFilters(RuleFilters):
    """The threshold to watch."""

    threshold: JsonNumber = Field(description="The number to cross, for example 10000.")
    direction: Literal["above", "below", "either"] = Field(
        default="above", description="Which way to cross it: above is upwards, below is downwards, either is both."
    )
    rearm_margin: Margin = Field(
        default=Decimal(0),
        title="Margin against wavering",
        description="How far the value must go back before the same crossing counts again; with 0, each one counts.",
    )


class ThresholdCrossed(EventData):
    """What a crossed threshold tells, whatever it was that crossed."""

    direction: Literal["above", "below"] = Field(description="Which way the value went.")
    threshold: Number = Field(description="The threshold.")
    previous_value: Number = Field(description="The value before.")
    value: Number = Field(description="The value that crossed.")
    evaluated_at: AwareDatetime = Field(description="When the value was calculated (UTC).")
    rule_id: str = Field(description="The rule of the subscription that asked for this threshold.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        verb = "rose above" if self.direction == "above" else "fell below"
        return sentence(
            f"{self.called} {verb} {count(self.threshold)}: from {count(self.previous_value)} to {count(self.value)}."
        )

    @property
    def called(self) -> str:
        """What crossed, as people call it."""
        raise NotImplementedError
