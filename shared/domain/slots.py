"""Slots: one run of polling, which families are polled in it, and which instances share a message.

A timer, or where the timers stand still the heartbeat, opens a slot. What belongs to a slot is worth doing until it
ends: whoever comes later leaves it to the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import batched

from shared.domain.checkpoints import Family
from shared.domain.resources import Instance

# So many instances share a message.
SHARD = 25


class Round(StrEnum):
    """What is polled together, by a timer of its own."""

    REFRESHES = "refreshes"
    THRESHOLDS = "thresholds"

    @property
    def families(self) -> Sequence[Family]:
        """The families of resources, in the order in which they are polled."""
        return _FAMILIES[self]


# The data sources come first: what their `refreshState` tells, the nodes and jobs that are read after it show as well.
_FAMILIES = {
    Round.REFRESHES: (Family.DATA_SOURCES, Family.JOBS),
    Round.THRESHOLDS: (Family.SEGMENTS, Family.MEASURES),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One run of polling, from when it was opened until nothing of it is begun any more."""

    round: Round
    opened_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Shard:
    """The instances of a slot that are polled together."""

    slot: Slot
    instances: Sequence[Instance]


def shards(slot: Slot, instances: Sequence[Instance]) -> list[Shard]:
    """The instances, in their order, in as few shards as hold them."""
    return [Shard(slot, some) for some in batched(instances, SHARD, strict=False)]
