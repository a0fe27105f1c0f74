"""Thresholds: what a crossed one tells, whatever it was that crossed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, WithJsonSchema

from shared.domain.events.data import EventData
from shared.domain.events.filters import Filters
from shared.domain.events.wire import Number
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


class ThresholdFilters(Filters):
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

    def route(self) -> tuple[str, ...]:
        """Nothing: an event names the very rule it is for."""
        return ()

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """All rules stand in one place."""
        del data
        return [()]

    @classmethod
    def row(cls, data: Mapping[str, Any]) -> str | None:
        """The rule that the event names."""
        return str(data.get("ruleId"))


class ThresholdCrossed(EventData):
    """What a crossed threshold tells, whatever it was that crossed."""

    direction: Literal["above", "below"] = Field(description="Which way the value went.")
    threshold: Number = Field(description="The threshold.")
    previous_value: Number = Field(description="The value before.")
    value: Number = Field(description="The value that crossed.")
    evaluated_at: AwareDatetime = Field(description="When the value was calculated (UTC).")
    rule_id: str = Field(description="The rule of the subscription that asked for this threshold.")
