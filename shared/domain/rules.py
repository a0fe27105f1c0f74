"""Rules: the thresholds that subscribers ask to have watched."""

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Literal

# More digits than Python's own context keeps, and nothing that a rule holds raises.
EXACT = Context(prec=100, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


@dataclass(frozen=True, slots=True)
class Rule:
    """A subscribed threshold on the resource `name`; `direction` may also be `either`."""

    id: str
    name: str
    threshold: Decimal
    direction: Literal["above", "below", "either"] = "above"
    rearm_margin: Decimal = Decimal(0)
