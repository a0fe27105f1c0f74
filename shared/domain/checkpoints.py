"""Checkpoints: what the bridge remembers of one instance and family between two polls.

A checkpoint holds the state to compare the next poll with, and the outbox: events found but not yet known to be
published. Both are saved in one write, so neither is ever without the other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.domain.jobs import JobsState
from shared.domain.refreshes import DataSourcesState
from shared.domain.thresholds import ValuesState

VERSION = 1

type State = JobsState | DataSourcesState | ValuesState


class Family(StrEnum):
    """A family of resources that is polled, and may fail, on its own."""

    JOBS = "jobs"
    DATA_SOURCES = "data-sources"
    SEGMENTS = "segments"
    MEASURES = "measures"

    @property
    def on_wire(self) -> str:
        """Its name in JSON, as events and answers have it."""
        return to_camel(self.value.replace("-", "_"))


STATES: Mapping[Family, type[JobsState | DataSourcesState | ValuesState]] = {
    Family.JOBS: JobsState,
    Family.DATA_SOURCES: DataSourcesState,
    Family.SEGMENTS: ValuesState,
    Family.MEASURES: ValuesState,
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State and outbox of one instance and family; no state before the first poll."""

    state: State | None = None
    outbox: Sequence[Mapping[str, Any]] = ()


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int
    family: Family
    state: dict[str, Any] | None
    outbox: list[dict[str, Any]]


def encode(family: Family, checkpoint: Checkpoint) -> bytes:
    """The checkpoint as stored: JSON, versioned."""
    state = checkpoint.state.model_dump_json(exclude_defaults=True) if checkpoint.state is not None else "null"
    outbox = json.dumps(list(checkpoint.outbox), ensure_ascii=False, separators=(",", ":"))
    return f'{{"version":{VERSION},"family":"{family}","state":{state},"outbox":{outbox}}}'.encode()


def decode(family: Family, stored: bytes) -> Checkpoint:
    """Read what `encode` has written, of this version or an earlier one; raises ValueError for anything else."""
    try:
        content = _Stored.model_validate(upgrade(json.loads(stored)))
        if content.family != family:
            raise ValueError(f"it is of family {content.family}")
        state = STATES[family].model_validate(content.state) if content.state is not None else None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from None
    return Checkpoint(state, content.outbox)


def upgrade(content: Any) -> Any:  # noqa: ANN401 - any JSON value may stand there
    """Bring stored content of an earlier version to this one, version by version."""
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise ValueError(f"its version is {version}, and this release reads {VERSION}")
    return content
