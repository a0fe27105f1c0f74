"""Wishes: what a flow asks for when it subscribes, and when two of them are the same."""

import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal

from shared.domain import ids
from shared.domain.events.filters import Filters
from shared.domain.rules import EXACT
from shared.domain.triggers import Trigger


@dataclass(frozen=True, slots=True)
class Wish:
    """What a flow asks for when it subscribes; the hints are what its request said of it."""

    trigger: Trigger
    instance_id: str
    filters: Filters
    callback_url: str = field(repr=False)
    label: str | None = None
    signed: bool = False
    environment_hint: str | None = None
    flow_hint: str | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same callback, trigger, instance and filters; tells nothing of the callback."""
        asked = [
            self.trigger.slug,
            ids.key(self.instance_id),
            {name: _exact(value) for name, value in self.filters.asked().items()},
            self.callback_url,
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _exact(value: object) -> object:
    """A filter's value as JSON; equal numbers have one spelling, whatever zeros or sign of zero they came with."""
    if isinstance(value, dict):  # in which a number is not the same as the text of it
        return [[name, type(one) is Decimal, _exact(one)] for name, one in sorted(value.items())]
    return str(EXACT.plus(value).normalize(EXACT)) if isinstance(value, Decimal) else value
