"""Reads JSON of which a part is none: where that part stood in a list, the list holds an `Undecodable`.

A byte that is no UTF-8, a number or a nesting beyond all measure, a stray word: each costs the object around it that is
an element of a list, and all others are read. Only where nothing tells where such an element ends (a text or a bracket
is never closed, an answer is cut off) nothing can be read at all.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Final

# Levels that are taken apart to find what is wrong; the answers of Customer Insights have fewer.
_DEEPEST: Final = 20

_TEXT: Final = r'"[^"\\]*(?:\\.[^"\\]*)*'
_TOKEN: Final = re.compile(rf'{_TEXT}"?|[\[\]{{}},]', re.DOTALL)
_NAME: Final = re.compile(rf'\s*({_TEXT}")\s*:', re.DOTALL)
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_ENDS: Final = ("", ",", "]", "}")

# What bytes that are no UTF-8 are decoded to.
_STRAY: Final = re.compile(r"[\udc80-\udcff]")

_NOT_JSON: Final = "it is not JSON"
_NOT_UTF8: Final = "it is not UTF-8"


@dataclass(frozen=True, slots=True)
class Undecodable:
    """What is no JSON: as much of it as can be read, and what is wrong."""

    readable: object
    reason: str

    @property
    def is_object(self) -> bool:
        """Whether its beginning and its end are those of an object."""
        return isinstance(self.readable, dict)


def decode(body: bytes) -> object:
    """A JSON document; a number that JSON does not know becomes text. Raises ValueError where nothing can be read."""
    text = body.decode(json.detect_encoding(body), "surrogateescape")
    value, end = _part(text, 0, 0)
    if end < len(text):
        raise ValueError(_NOT_JSON)
    return value


def _part(text: str, start: int, depth: int) -> tuple[object, int]:
    """The value that begins here, and where the next comma or closing bracket stands."""
    start = _BLANKS.match(text, start).end()  # type: ignore[union-attr]  # nothing at all matches, too
    value: object = None
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        reason = "it is nested too deeply"
    except json.JSONDecodeError:
        reason = _NOT_JSON
    except ValueError:
        reason = "a number is too long"
    else:
        stop = _end(text, end)
        if stop is None:
            reason = _NOT_JSON
        elif _STRAY.search(text, start, end):
            reason = _NOT_UTF8
        else:
            return value, stop
    if depth < _DEEPEST and text.startswith(("[", "{"), start):
        part, end = (_list if text[start] == "[" else _object)(text, start, depth)
        stop = _end(text, end)
        if stop is not None:
            return part, stop
        value, reason = part.readable if isinstance(part, Undecodable) else part, _NOT_JSON
    return Undecodable(value, reason), _separator(text, start)


def _list(text: str, start: int, depth: int) -> tuple[object, int]:
    items, at = [], start
    while text.startswith(",", at) or at == start:
        item, at = _part(text, at + 1, depth + 1)
        items.append(item)
    if not text.startswith("]", at):
        raise ValueError(_NOT_JSON)
    wrong = (item for item in items if isinstance(item, Undecodable) and not item.is_object)
    # A list of anything but objects is one value: without one of its elements it would be another.
    flaw = next(wrong, None) if depth else None
    return items if flaw is None else Undecodable(None, flaw.reason), at + 1


def _object(text: str, start: int, depth: int) -> tuple[object, int]:
    readable: dict[str, object] = {}
    reason, at = "", start
    while text.startswith(",", at) or at == start:
        found = _NAME.match(text, at + 1)
        if found is None:
            break
        value, at = _part(text, found.end(), depth + 1)
        try:
            name = str(_DECODER.decode(found[1]))
        except ValueError:
            name, value = "", Undecodable(None, _NOT_JSON)
        if _STRAY.search(found[1]):
            reason = reason or _NOT_UTF8
        if isinstance(value, Undecodable):
            reason, value = reason or f"{name}: {value.reason}", value.readable
        readable[name] = value
    if not text.startswith("}", at):
        return Undecodable(readable, _NOT_JSON), _separator(text, start)
    return Undecodable(readable, reason) if reason else readable, at + 1


def _end(text: str, at: int) -> int | None:
    """Where the next comma or closing bracket stands, if nothing but blanks stands before it."""
    stop = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # nothing at all matches, too
    return stop if text[stop : stop + 1] in _ENDS else None


def _separator(text: str, start: int) -> int:
    """Where the next comma or closing bracket stands that belongs to what is around. Raises ValueError for none."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "," | "]" | "}" if depth == 0:
                return token.start()
            case "]" | "}":
                depth -= 1
    raise ValueError(_NOT_JSON)


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


# Not strict: a line break within a text is no JSON, but leaves no doubt.
_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=str, strict=False)
