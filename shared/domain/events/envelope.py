"""The envelope: an occurrence as a CloudEvent 1.0, made and read in one place."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from shared.domain import ids
from shared.domain.events.data import EventData
from shared.domain.events.wire import Name, in_utc, json_text

# The bridge's own namespace for event ids: an id is a name-based UUID (RFC 9562, version 5) of the occurrence.
NAMESPACE = uuid.UUID("6d1f2c3e-5a0b-5c7e-9f41-2b8d3a6c9e10")
SOURCE_PREFIX = "/customer-insights/instances/"

# What a W3C trace context is made of, and no header is broken by. Whether it is one, whoever continues it decides.
_TRACEPARENT = re.compile(r"[0-9a-f-]{1,128}")


# An event of the bridge about itself, as the JSON object that travels.
type Notice = Mapping[str, Any]


def trace_context(value: object) -> str | None:
    """A W3C trace context, or None for what is none."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence as a CloudEvent 1.0; `raw` is the JSON object that travels from the topic to the flow."""

    raw: Mapping[str, Any]
    id: str
    type: str
    instance_id: str
    time: datetime

    @property
    def data(self) -> Mapping[str, Any]:
        """The event's data, as JSON values."""
        data: Mapping[str, Any] = self.raw["data"]
        return data

    @property
    def traceparent(self) -> str | None:
        """The trace the event belongs to, where it names one."""
        return trace_context(self.raw.get("traceparent"))

    def traced(self, traceparent: str | None) -> Self:
        """The event as a part of a trace; without one, as it is."""
        return self if traceparent is None else replace(self, raw={**self.raw, "traceparent": traceparent})

    def recorded(self, at: datetime) -> Self:
        """The event with when the bridge saw it, as CloudEvents' extension Recorded Time has it."""
        return replace(self, raw={**self.raw, "recordedtime": _in_rfc3339(at)})

    def encode(self) -> str:
        """The event as JSON text: the same for every delivery."""
        return json_text(self.raw)

    @classmethod
    def of(cls, data: EventData, *, time: datetime, occurrence: Sequence[str]) -> Self:
        """Make the event of an occurrence; `occurrence` names it among all of its type in its instance, ids by key."""
        name = json.dumps([data.event_type, ids.key(data.instance_id), *occurrence])
        return cls.parse(
            {
                "specversion": "1.0",
                "id": str(uuid.uuid5(NAMESPACE, name)),
                "source": SOURCE_PREFIX + data.instance_id,
                "type": data.event_type,
                "subject": data.subject,
                "time": _in_rfc3339(time),
                "datacontenttype": "application/json",
                "data": data.on_wire(),
            }
        )

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` has written; raises ValueError saying what is wrong with it."""
        return cls.parse(json.loads(text))

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read a CloudEvent of ours; raises ValueError saying which attribute is wrong."""
        try:
            envelope = _ENVELOPE.validate_python(raw)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in wrong["loc"]) or "event"
            raise ValueError(f"not a CloudEvent of the bridge: {where}: {wrong['msg']}") from None
        assert isinstance(raw, Mapping)  # noqa: S101 - tells the type checker what the model has just shown
        return cls(raw, envelope.id, envelope.type, envelope.data.instanceId, in_utc(envelope.time))


def _in_rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _Instance(BaseModel):
    model_config = ConfigDict(strict=True)

    instanceId: Name  # noqa: N815 - the wire's spelling


class _Envelope(BaseModel):
    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
    source: Name
    type: Name
    time: AwareDatetime
    data: _Instance


_ENVELOPE = TypeAdapter(_Envelope)
