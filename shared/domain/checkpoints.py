"""Checkpoints: what the bridge remembers of one instance and family between two polls.

A checkpoint holds the state to compare the next poll with, and the outbox: events found but not yet known to be
published. Both are saved in one write, so neither is ever without the other.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.domain.jobs import JobsState
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.watching import ValuesState

# Version 2 writes the marks of data sources as texts. Version 3 adds what is known of stages, exports, ages, states and
# combinations; what an earlier one does not hold, nobody has looked at yet. The models read all of them.
VERSION = 3
READABLE = (1, 2, VERSION)

State = JobsState | DataSourcesState | ValuesState


class Family(StrEnum):
    """A family of resources that is polled, and may fail, on its own: its name, and what is remembered of it."""

    JOBS = "jobs", JobsState
    DATA_SOURCES = "data-sources", DataSourcesState
    SEGMENTS = "segments", ValuesState
    MEASURES = "measures", ValuesState

    remembers: type[State]

    def __new__(cls, name: str, remembers: type[State] = ValuesState) -> Self:
        """Make a family of a row of the table; to look one up, its name is enough."""
        family = str.__new__(cls, name)
        family._value_ = name
        family.remembers = remembers
        return family

    @property
    def on_wire(self) -> str:
        """Its name in JSON, as events and answers have it."""
        return to_camel(self.value.replace("-", "_"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State and outbox of one instance and family; no state before the first poll."""

    state: State | None = None
    outbox: Sequence[Mapping[str, Any]] = ()


class _Head(BaseModel):
    version: Any = None
    family: Any = None


class _Stored[S](BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int
    family: Family
    state: S | None
    outbox: list[dict[str, Any]]


# Kept, for a model that nothing refers to is made anew.
_STORED = {family: _Stored[family.remembers] for family in Family}  # type: ignore[name-defined]  # known at run time


def encode(family: Family, checkpoint: Checkpoint) -> bytes:
    """The checkpoint as stored: JSON, versioned."""
    state = checkpoint.state.model_dump_json(exclude_defaults=True) if checkpoint.state is not None else "null"
    outbox = json.dumps(list(checkpoint.outbox), ensure_ascii=False, separators=(",", ":"))
    return f'{{"version":{VERSION},"family":"{family}","state":{state},"outbox":{outbox}}}'.encode()


def decode(family: Family, stored: bytes) -> Checkpoint:
    """Read what `encode` has written, of this version or an earlier one; raises ValueError for anything else."""
    try:
        # In one go: by way of what Python makes of JSON, it takes longer than the event loop may be held up.
        content = _STORED[family].model_validate_json(stored)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        told = f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}"
        with suppress(ValidationError):
            told = _refused(family, _Head.model_validate_json(stored)) or told
        raise ValueError(told) from None
    if (refused := _refused(family, content)) is not None:
        raise ValueError(refused)
    return Checkpoint(content.state, content.outbox)


def _refused(family: Family, head: _Head | _Stored[Any]) -> str | None:
    """Why what begins like that is not read, if it is not."""
    if head.version not in READABLE:
        return f"its version is {head.version}, and this release reads up to {VERSION}"
    return f"it is of family {head.family}" if head.family != family else None
