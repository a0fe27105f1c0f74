"""The families that are polled: what each reads and compares, one file and one row each."""

from collections.abc import Mapping
from typing import Any

from shared.domain.checkpoints import Family
from shared.usecases.families import data_sources, jobs, measures, segments
from shared.usecases.families.room import Room

FAMILIES: Mapping[Family, Room[Any]] = {
    room.family: room for room in (data_sources.ROOM, jobs.ROOM, segments.ROOM, measures.ROOM)
}
