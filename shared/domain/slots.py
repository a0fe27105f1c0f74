"""Slots: one run of polling, which families are polled in it, and which instances share a message.

A timer, or where the timers stand still the heartbeat, opens a slot. What belongs to a slot is worth beginning until it
ends: whoever comes later leaves it to the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from shared.domain.checkpoints import Family
from shared.domain.resources import Instance

# So many instances share a message.
SHARD = 25


@dataclass(frozen=True, slots=True)
class Slot:
    """One run of polling these families, from when it was opened until nothing of it is begun any more."""

    families: tuple[Family, ...]
    opened_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Shard:
    """The instances of a slot that are polled together."""

    slot: Slot
    instances: tuple[Instance, ...]


def shards(slot: Slot, instances: Sequence[Instance]) -> list[Shard]:
    """The instances, in their order, in as few shards as hold them."""
    return [Shard(slot, some) for some in batched(instances, SHARD, strict=False)]
