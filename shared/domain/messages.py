"""The messages of the bridge's own queues, and how they are written.

Each is a JSON object with the version of its form. A message of another version is somebody else's to read: it is left
where it is.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.domain.checkpoints import Family
from shared.domain.deliveries import EventKey, New
from shared.domain.events.envelope import Event, trace_context
from shared.domain.events.wire import in_utc, json_text
from shared.domain.resources import Instance
from shared.domain.slots import Shard, Slot
from shared.errors import FormatError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Look:
    """Look at a delivery now; `by_hand`: and attempt it whatever its stage, once for each such request.

    `is_insurance`: whoever attempted it may have been lost, so nothing that he had to do is taken to be done.
    """

    subscription_id: str
    key: EventKey
    by_hand: str | None = None
    is_insurance: bool = False

    def encode(self) -> str:
        """The message as JSON text."""
        return _text(
            {
                "subscriptionId": self.subscription_id,
                "eventTime": self.key.time.isoformat(),
                "eventId": self.key.id,
                "byHand": self.by_hand,
                "insurance": self.is_insurance or None,
            }
        )


@dataclass(frozen=True, slots=True)
class Release:
    """Let out a subscription's backlog.

    It counts where `at` is what the subscription expects, so that of many such messages one is worked on. `is_careful`:
    running instances may have called the flow just now, so begin slowly. `is_spent`: whoever let out before has called
    it at its rate just now, so nothing may go straight to it for a while.
    """

    subscription_id: str
    at: datetime
    is_careful: bool = False
    is_spent: bool = False

    def encode(self) -> str:
        """The message as JSON text."""
        return _text(
            {
                "subscriptionId": self.subscription_id,
                "at": self.at.isoformat(),
                "careful": self.is_careful or None,
                "spent": self.is_spent or None,
            }
        )

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a message of the queue `releases`; raises ValueError saying what is wrong with it."""
        message = _versioned(parse(text))
        is_careful, is_spent = message.get("careful") is True, message.get("spent") is True
        return cls(_id_of(message), _time_of(message, "at"), is_careful, is_spent)


@dataclass(frozen=True, slots=True)
class Beat:
    """See whether the timers run, and open the slots where they do not.

    It counts where `token` is what is expected, so that of many such messages one goes on.
    """

    token: str

    def encode(self) -> str:
        """The message as JSON text."""
        return _text({"beat": self.token})


def encode_shard(shard: Shard) -> str:
    """A shard as JSON text."""
    slot = shard.slot
    return _text(
        {
            "families": slot.families,
            "openedAt": slot.opened_at.isoformat(),
            "endsAt": slot.ends_at.isoformat(),
            "instances": [[one.id, one.name] if one.name is not None else [one.id] for one in shard.instances],
        }
    )


def decode_poll(text: str) -> Shard | Beat:
    """Read a message of the queue `polls`, base64 or plain; raises ValueError saying what is wrong with it."""
    message = _versioned(parse(text))
    if isinstance(token := message.get("beat"), str):
        return Beat(token)
    found = message.get("instances")
    if not isinstance(found, list) or not all(map(_is_instance, found)):
        raise ValueError("not a poll: neither beat nor instances")
    families = message.get("families")
    if not isinstance(families, list) or any(family not in list(Family) for family in families):
        raise ValueError("not a poll: families that there are not")
    slot = Slot(tuple(map(Family, families)), _time_of(message, "openedAt"), _time_of(message, "endsAt"))
    return Shard(slot, tuple(Instance(*one) for one in found))


def _is_instance(found: object) -> bool:
    return isinstance(found, list) and 1 <= len(found) <= 2 and all(isinstance(part, str) for part in found)  # noqa: PLR2004 - id and name


def encode_new(new: New) -> str:
    """A new delivery as JSON text."""
    return _text(
        {
            "subscriptionId": new.subscription_id,
            "dispatchedAt": new.dispatched_at.isoformat(),
            "byHand": new.by_hand,
            "traceparent": new.traceparent,
            "event": new.event.raw,
        }
    )


def decode_delivery(text: str) -> New | Look:
    """Read a message of the queue `deliveries`, base64 or plain; raises ValueError saying what is wrong with it."""
    message = _versioned(parse(text))
    by_hand = message.get("byHand")
    if by_hand is not None and not isinstance(by_hand, str):
        raise ValueError("not a delivery: byHand is no text")
    if "event" not in message:
        event_id = message.get("eventId")
        if not isinstance(event_id, str):
            raise ValueError("not a delivery: neither event nor eventId")
        key, is_insurance = EventKey(_time_of(message, "eventTime"), event_id), message.get("insurance") is True
        return Look(_id_of(message), key, by_hand, is_insurance)
    try:
        event = Event.parse(message["event"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a delivery: {error}") from None
    traceparent = trace_context(message.get("traceparent")) or event.traceparent
    return New(_id_of(message), event, _time_of(message, "dispatchedAt"), by_hand, traceparent)


def parse(message: str) -> Any:  # noqa: ANN401 - any JSON value may stand there
    """The JSON value in a queue message, plain or as base64 of it; raises ValueError where there is none."""
    text = message.strip()
    try:
        if not text.startswith("{"):
            text = base64.b64decode(text, validate=True).decode()
        return _JSON.decode(text)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("neither JSON nor base64 of JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number without end, or none")
    return number


# What is no number in JSON could not be sent on as one.
_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _text(message: Mapping[str, object]) -> str:
    present = {key: value for key, value in message.items() if value is not None}
    return json_text({"v": VERSION, **present})


def _versioned(message: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    if not isinstance(message, dict) or not isinstance(message.get("v"), int):
        raise ValueError("not a message of the bridge")  # noqa: TRY004 - it is what stands there that is wrong
    if message["v"] != VERSION:
        raise FormatError("message", message["v"])
    return message


def _id_of(message: Mapping[str, Any]) -> str:
    found = message.get("subscriptionId")
    if not isinstance(found, str) or not found:
        raise ValueError("no subscriptionId")
    return found


def _time_of(message: Mapping[str, Any], key: str) -> datetime:
    found = message.get(key)
    if not isinstance(found, str):
        raise ValueError(f"no {key}")  # noqa: TRY004 - the same
    at = datetime.fromisoformat(found)
    if at.tzinfo is None:
        raise ValueError(f"{key} has no zone")
    return in_utc(at)
