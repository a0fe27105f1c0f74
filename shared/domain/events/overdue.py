"""Overdue: what is told when something was not refreshed for longer than a subscriber allows."""

from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, WithJsonSchema

from shared.domain.events.data import EventData
from shared.domain.events.filters import RuleFilters
from shared.domain.events.wire import Number, clock, count, sentence
from shared.domain.rules import AgeRule

MAX_HOURS: Final = 720
Hours = Annotated[
    Number,
    Field(strict=True, allow_inf_nan=False, gt=0, le=MAX_HOURS),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_HOURS}),
]


class OverdueFilters(RuleFilters):
    """The age to watch."""

    max_age_hours: Hours = Field(
        title="Overdue after hours",
        description="After how many hours without a successful refresh it is overdue, for example 26.",
    )

    def rule(self, rule_id: str) -> AgeRule:
        """The rule on the whole instance."""
        return AgeRule(rule_id, self.max_age_hours)


class Overdue(EventData):
    """What is told of something overdue."""

    last_completed_at: AwareDatetime | None = Field(
        default=None, description="When it was last refreshed with success (UTC), where known."
    )
    max_age_hours: Number = Field(description="After how many hours it was to be overdue.")
    rule_id: str = Field(description="The rule of the subscription that asked for this.")

    def overdue(self, called: str) -> str:
        """It in a sentence, with what people call it."""
        last = f" The last one completed at {clock(self.last_completed_at)}." if self.last_completed_at else ""
        unit = "hour" if self.max_age_hours == Decimal(1) else "hours"
        return sentence(f"{called} for more than {count(self.max_age_hours)} {unit}.{last}")
