"""Reads long lists in parts, for reading holds up all threads: where a part ends is guessed, and proved by reading it.

Cut anywhere but between two items, a part is no JSON. What no guess fits is left to be read as a whole.
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from pydantic import BaseModel, TypeAdapter

# How a list begins, and in it an object with its first key and, after a plain value, its second one. Objects inside it
# may begin with the same key, but hardly go on with the same one.
_VALUE = rb'\s*(?:"(?:[^"\\]|\\.)*"|[\w.+-]+)\s*'
_FIRST_KEYS = re.compile(rb'\s*\[\s*(\{\s*"[^"\\]*"\s*:)(?:' + _VALUE + rb'(,\s*"[^"\\]*"\s*:))?')
# So many bytes are read at a time, few enough for the processor's cache; where a part ends is guessed so many times.
_PART, _TRIES = 50_000, 8
_REACH = 2 * _PART


def parts[Item](
    body: Iterator[bytes], read: Callable[[bytes], list[Item]]
) -> Generator[list[Item], None, tuple[int, bytes]]:
    """Read a long list in parts, as its pieces come; gives how many items those had, and the rest, itself a list.

    So it is never held as a whole, and no thread waits for long. The rest is short, or has something wrong in it, or
    its last item is long.
    """
    text, count, length = _filled(b"", body, _REACH), 0, _REACH
    first = _FIRST_KEYS.match(text)
    if first is None:
        return 0, b"".join((text, *body))
    start, head = first.start(1), re.compile(_VALUE.join(map(re.escape, filter(None, first.groups()))))
    while True:
        if len(text) - start < length:
            text, start = _filled(b"[" + text[start:], body, length), 1
        tries = 0
        for end in _ends(text, head, start):
            try:
                part = read(b"".join((b"[", memoryview(text)[start:end], b"]")))
            except ValueError:
                tries += 1
                continue
            yield part
            start, count, length = end + 1, count + len(part), _REACH
            break
        else:
            if tries == _TRIES or len(text) < length:  # all has come
                return count, b"".join((b"[", memoryview(text)[start:], *body))
            length *= 2  # so long an item


def _filled(text: bytes, body: Iterator[bytes], length: int) -> bytes:
    """A text and what comes after it, until it has some length or all has come."""
    parts, have = [text] if text else [], len(text)
    while have < length and (piece := next(body, None)) is not None:
        parts.append(piece)
        have += len(piece)
    return b"".join(parts)


def _ends(body: bytes, head: re.Pattern[bytes], start: int) -> Iterator[int]:
    """The first commas after a part of some length that stand before something that begins as an item does."""
    commas = (body.rfind(b",", start, item.start()) for item in head.finditer(body, start + _PART))
    return islice((comma for comma in commas if comma > 0), _TRIES)


class LongItems[Wire: BaseModel]:
    """Reads a text whose last item holds a very long list: that in parts, and the items without it.

    The list is a `field` of the item, has the same name as its key, and may be null instead.
    """

    def __init__(self, items: TypeAdapter[list[Wire]], model: type[Wire], field: str) -> None:
        self._items = items
        self._field = field
        self._key = re.compile(rb'"%b"\s*:\s*(?=\[)' % re.escape(field.encode()))
        # Nested as deep as in a list of items, for only so many levels are read.
        nested: Any = list[list[model.model_fields[field].annotation]]  # type: ignore[misc]  # known at run time
        self._elements = TypeAdapter[list[list[list[Any]]]](nested)

    def read(self, text: bytes) -> list[Wire] | None:
        """The items of a list; None where it is short, or best read as a whole."""
        key = None
        if len(text) > _REACH:
            for key in self._key.finditer(text, 0, _REACH):  # noqa: B007 - the last one is meant
                pass
        if key is None:
            return None
        with suppress(ValueError):
            elements, rest = _drained(self._long_list(text, key.end()))
            empty, none = (
                self._items.validate_json(b"".join((text[: key.end()], it, rest))) for it in (b"[]", b"null")
            )
            # Where these two are told apart, and nowhere else, the list belongs.
            pairs = zip(empty, none, strict=True)
            [item] = [one for one, other in pairs if self._of(one) == [] and self._of(other) is None]
            setattr(item, self._field, elements)
            return empty
        return None

    def _of(self, item: Wire) -> object:
        return getattr(item, self._field)

    def _long_list(self, text: bytes, start: int) -> Generator[list[Any], None, bytes]:
        """Read the list that begins there, in parts; gives what follows it. Raises ValueError where its end is far."""
        pieces = (text[at : at + _PART] for at in range(start, len(text), _PART))
        _, rest = yield from parts(pieces, self._some)
        end = len(rest) if len(rest) <= _REACH else 0
        for _ in range(_TRIES):
            end = rest.rindex(b"]", 0, end)
            with suppress(ValueError):
                yield self._some(rest[: end + 1])
                return rest[end + 1 :]
        raise ValueError

    def _some(self, text: bytes) -> list[Any]:
        [[elements]] = self._elements.validate_json(b"[[%b]]" % text)
        return elements


def _drained[Part, Rest](parts: Generator[list[Part], None, Rest]) -> tuple[list[Part], Rest]:
    """All that a generator yields, and what it gives in the end."""
    found: list[Part] = []
    while True:
        try:
            found += next(parts)
        except StopIteration as end:
            return found, end.value
