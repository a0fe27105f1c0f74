"""Rules: what subscribers ask to have watched, the thresholds and the ages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Literal

# More digits than Python's own context keeps, and nothing that a rule holds raises.
EXACT = Context(prec=100, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


# What a measure has for each of its dimensions, by their names.
type Combination = Mapping[str, str | Decimal]


@dataclass(frozen=True, slots=True)
class Rule:
    """A subscribed threshold on the resource `name`; `direction` may also be `either`.

    On a measure with dimensions it is for one combination of their values, and for the column `aggregate`.
    """

    id: str
    name: str
    threshold: Decimal
    direction: Literal["above", "below", "either"] = "above"
    rearm_margin: Decimal = Decimal(0)
    dimensions: Combination | None = None
    aggregate: str | None = None


@dataclass(frozen=True, slots=True)
class AgeRule:
    """How old the last refresh of the resource `name` (None: the whole instance) may be; `hours` as asked for."""

    id: str
    hours: Decimal
    name: str | None = None

    @property
    def max_age(self) -> timedelta:
        """How old it may be."""
        return timedelta(microseconds=int(self.hours * 3_600_000_000))


AnyRule = Rule | AgeRule
