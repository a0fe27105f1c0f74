"""What the data of all events is made of: numbers, texts and errors as they go over the wire.

Field names are camelCase on the wire; keys without a value are left out.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

MAX_TEXT = 400
MAX_SUMMARY = 200
# The largest number up to which every whole number is a JSON number that all readers take exactly.
MAX_WHOLE = 2**53
# Control characters (Unicode's Cc), each as a blank.
_BLANKS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_number(value: Decimal) -> int | float:
    """A decimal as the JSON number that flows can calculate with: whole numbers stay whole."""
    if value == value.to_integral_value() and abs(value) <= MAX_WHOLE:
        return int(value)
    return min(max(float(value), -sys.float_info.max), sys.float_info.max)


def json_text(value: object) -> str:
    """A value as JSON text that UTF-8 can hold: half a character stays the escape that JSON has for it."""
    text = _JSON.encode(value)
    return text.encode(errors="backslashreplace").decode()


def in_utc(at: datetime) -> datetime:
    """A time in UTC; raises ValueError where that is before or after all time."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time out of range") from None


def cut(text: object) -> object:
    """A text of at most MAX_TEXT characters."""
    return f"{text[: MAX_TEXT - 1]}…" if isinstance(text, str) and len(text) > MAX_TEXT else text


def clock(at: datetime) -> str:
    """A time as people read it."""
    return f"{in_utc(at):%Y-%m-%d %H:%M} UTC"


def count(value: Decimal) -> str:
    """A number as people read it."""
    return f"{json_number(value):,}"


def sentence(text: str) -> str:
    """A text as a summary, which has at most MAX_SUMMARY characters, no line breaks and no control characters."""
    text = " ".join(text.translate(_BLANKS).split())
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 1]}…"


Number = Annotated[
    Decimal,
    PlainSerializer(json_number, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
# What people or Customer Insights have written, of any length: cut to what a queue message has room for.
Text = Annotated[str, BeforeValidator(cut), Field(max_length=MAX_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1)]


class Wire(BaseModel):
    """A part of an event as it goes over the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Error(Wire):
    """What Customer Insights says went wrong; whatever is known."""

    code: Text | None = Field(default=None, description="The code of the error.")
    message: Text | None = Field(default=None, description="What went wrong, in words.")
    culprit: Text | None = Field(default=None, description="Who can mend it, for example user.")
    severity: Text | None = Field(default=None, description="How bad it is, for example error.")


class Warned(Wire):
    """What Customer Insights warns of beside a success."""

    code: Text | None = Field(default=None, description="The code of the warning.")
    message: Text = Field(description="What it warns of, in words.")


def because(error: Error | None) -> str:
    """What an error says, as the end of a summary."""
    return f" {error.message}" if error is not None and error.message else ""


def warning(warnings: Sequence[Warned] | None) -> str:
    """The first of some warnings, as the end of a summary."""
    return f" It warns: {warnings[0].message}" if warnings else ""
