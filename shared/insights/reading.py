"""Reads the API's answers item by item: bytes in, resources out, and one bad item never costs the others.

The fast way parses and checks a part of an answer in one go, while the next one comes. Only when that fails is the rest
taken apart: the smallest list element around each wrong value, or around what is no JSON, is left out (a task of a job,
or the job itself) and named in a warning, once.
Nothing here knows what the fields mean, nor HTTP.
"""

import json
import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.domain import exact_json
from shared.insights import lenient
from shared.insights.lenient import Undecodable
from shared.insights.parts import LongItems, parts

log = logging.getLogger("bridge.insights")

# The decoder's own message would quote nothing of use to an operator, but could quote data.
_NOT_JSON = "it is not JSON, or it is cut off"

type _Location = tuple[int | str, ...]


class MalformedAnswerError(ValueError):
    """An answer as a whole is not what was asked for: no JSON, cut off, or an object in place of a list."""


class Omissions:
    """Warns of what was left out of an answer: of each item once, not at every poll.

    Remembers the latest `limit` warnings; safe to share between threads.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._known: dict[Hashable, None] = {}
        self._lock = threading.Lock()

    def warn(self, source: str, item: str, reason: str) -> None:
        """Log that `item` of `source` is left out and why, unless that has been said."""
        if self._is_news((source, item, reason)):
            log.warning("resource.omitted Customer Insights, %s: %s is left out: %s", source, item, reason)

    def _is_news(self, omission: Hashable) -> bool:
        with self._lock:
            if omission in self._known:
                return False
            if len(self._known) >= self._limit:
                del self._known[next(iter(self._known))]
            self._known[omission] = None
            return True


@dataclass(frozen=True, slots=True)
class _Flaw:
    """A wrong value: the smallest list element around it (empty: the item itself), the field, and what is wrong."""

    element: _Location
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Reader[Wire: BaseModel, Resource]:
    """Reads one kind of resource.

    `resource` turns the wire model into ours, or into None for an item that is none of our business. No two items of a
    list have the same `identity`. `names` are the keys (dots lead into nested objects) that name an item in a warning.
    `long` is the field of an item, if any, that may be a very long list.
    """

    def __init__(  # noqa: PLR0913 - what it has to know of a kind, by name
        self,
        kind: str,
        *,
        model: type[Wire],
        resource: Callable[[Wire], Resource | None],
        identity: Callable[[Resource], Hashable],
        names: Sequence[str],
        long: str | None = None,
    ) -> None:
        self.kind = kind
        self._resource = resource
        self._identity = identity
        self._names = names
        self._item = TypeAdapter(model)
        self._list = TypeAdapter(list[model])  # type: ignore[valid-type]  # a type only known at run time
        self._long = LongItems(self._list, model, long) if long is not None else None

    def all(self, body: Iterable[bytes], source: str, omissions: Omissions) -> list[Resource]:
        """Read a list that comes in pieces. Raises `MalformedAnswerError` when it is none."""
        return self._distinct(chain.from_iterable(self._lists(iter(body), source, omissions)), source, omissions)

    def one(self, body: bytes, source: str, omissions: Omissions) -> Resource | None:
        """Read one item; None where it is unreadable. Raises `MalformedAnswerError` when it is no object."""
        try:
            item: Wire | None = self._read_one(body)
        except ValidationError:
            document = _taken_apart(body)
            whole = document if isinstance(document, Undecodable) else _shaped(document, dict)
            item = self._salvaged(whole, "the only one", source, omissions)
        return None if item is None else self._resource(item)

    def _lists(self, body: Iterator[bytes], source: str, omissions: Omissions) -> Iterator[list[Wire]]:
        count, rest = yield from parts(body, self._read)
        try:
            yield self._read(rest)
        except ValidationError:
            yield self._readable(_shaped(_taken_apart(rest), list), count + 1, source, omissions)

    def _read(self, text: bytes) -> list[Wire]:
        items = self._long.read(text) if self._long is not None else None
        return self._list.validate_json(text) if items is None else items

    def _read_one(self, text: bytes) -> Wire:
        items = self._long.read(b"[%b]" % text) if self._long is not None else None
        return items[0] if items is not None and len(items) == 1 else self._item.validate_json(text)

    def _readable(self, document: list[Any], first: int, source: str, omissions: Omissions) -> list[Wire]:
        salvaged = (
            self._salvaged(item, f"number {position}", source, omissions)
            for position, item in enumerate(document, first)
        )
        return [item for item in salvaged if item is not None]

    def _salvaged(self, document: object, place: str, source: str, omissions: Omissions) -> Wire | None:
        """Read an item without its unreadable parts; each round takes away at least one, so there is an end."""
        readable = document.readable if isinstance(document, Undecodable) else document
        label = f"{self.kind} {_name(readable, self._names) or place}"
        if isinstance(document, Undecodable):
            omissions.warn(source, label, document.reason)
            return None
        while True:
            try:
                return self._item.validate_json(_encoded(document))
            except ValidationError as error:
                flaws = _flaws(error, document)
            for element, flaw in flaws.items():
                omissions.warn(source, f"{_path(element)} of {label}" if element else label, str(flaw))
            if () in flaws:
                return None
            _take_away(document, flaws)

    def _distinct(self, items: Iterable[Wire], source: str, omissions: Omissions) -> list[Resource]:
        """Convert the items; of those with the same identity the first counts."""
        resources: dict[Hashable, Resource] = {}
        for item in items:
            resource = self._resource(item)
            if resource is None:
                continue
            identity = self._identity(resource)
            if identity in resources:
                omissions.warn(source, f"a second {self.kind} {identity!r}", "the first one of that name counts")
            else:
                resources[identity] = resource
        return list(resources.values())


def decoded[Shape: (list[Any], dict[str, Any])](body: bytes, shape: type[Shape]) -> Shape:
    """Read JSON of which only the shape is known, its numbers as decimals; NaN and Infinity become text.

    Raises `MalformedAnswerError`.
    """
    try:
        document = exact_json.read(body, no_number=str)
    except ValueError:
        raise MalformedAnswerError(_NOT_JSON) from None
    return _shaped(document, shape)


def _taken_apart(body: bytes) -> object:
    """Read JSON of which a part may be none. Raises `MalformedAnswerError`."""
    try:
        return lenient.decode(body)
    except ValueError:
        raise MalformedAnswerError(_NOT_JSON) from None


def _shaped[Shape: (list[Any], dict[str, Any])](document: object, shape: type[Shape]) -> Shape:
    if not isinstance(document, shape):
        raise MalformedAnswerError(f"it is JSON, but not a {shape.__name__}")
    return document


def _encoded(document: object) -> bytes:
    """Encode one item again. Half of a surrogate pair, which no UTF-8 can hold, becomes a question mark."""
    # What is undecodable becomes nothing, which is no element of any list that is read.
    return json.dumps(document, ensure_ascii=False, default=lambda _: None).encode("utf-8", "replace")


def _flaws(error: ValidationError, document: object) -> dict[_Location, _Flaw]:
    """Return the first flaw of each element that has to go."""
    flaws: dict[_Location, _Flaw] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        location = _existing(detail["loc"], document, missing=detail["type"] == "missing")
        depth = max((depth for depth, key in enumerate(location, start=1) if isinstance(key, int)), default=0)
        flaw = _Flaw(location[:depth], _path(location[depth:]), detail["msg"])
        broken = _at(document, flaw.element)
        flaws.setdefault(
            flaw.element, replace(flaw, message=broken.reason) if isinstance(broken, Undecodable) else flaw
        )
    return flaws


def _existing(location: _Location, document: Any, *, missing: bool) -> _Location:  # noqa: ANN401 - decoded JSON
    """Cut off what Pydantic adds to a location to tell the members of a union apart."""
    if missing:
        return location
    for depth, key in enumerate(location):
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return location[:depth]
    return location


def _path(location: _Location) -> str:
    """Write a location the way one reads it: tasks[2].endTimestamp."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in location).lstrip(".")


def _take_away(document: Any, elements: dict[_Location, _Flaw]) -> None:  # noqa: ANN401 - decoded JSON
    """Delete list elements; the deepest and last first, so that the places of the others stay what they were."""
    for *path, index in sorted(elements, key=lambda element: (len(element), element[-1]), reverse=True):
        del _at(document, path)[index]


def _at(document: Any, location: Sequence[int | str]) -> Any:  # noqa: ANN401 - decoded JSON
    for key in location:
        document = document[key]
    return document


def _name(document: object, names: Sequence[str]) -> str | None:
    """Return the first of the names that the item has, quoted."""
    for name in names:
        value = document
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str | int) and value != "":
            return repr(value)
    return None
