"""Makes requests: nearly always good ones with a few things wrong, from the API's description and values that exist."""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from tests.fuzz.app import FUNCTION_KEY, Request
from tests.fuzz.nasty import BODIES, HEADERS, PIECES, TEXTS, VALUES

type Json = Any
type Known = Mapping[str, Sequence[str]]

MOST_FAULTS = 3
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND")
# Not described by OpenAPI, because it is no API.
CONSOLE: Mapping[str, Json] = {"parameters": [{"name": "file", "in": "path", "schema": {"type": "string"}}]}
# What flows and connectors spell alike, whatever the description calls it where it stands.
ALIASES = {"subscriptionId": "id", "token": "id"}


@dataclass(slots=True)
class Draft:
    """A request in pieces, before it is written."""

    method: str
    segments: list[str]
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: Json
    raw_values: dict[str, bytes] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    raw_body: bytes | None = None
    raw_query: str = ""

    def write(self) -> Request:
        query = "&".join(f"{_encoded(name)}={_encoded(text)}" for name, text in self.query) + self.raw_query
        target = "/api/" + "/".join(self.segments) + (f"?{query}" if query else "")
        return Request(self.method, target, dict(self.headers), self._body())

    def _body(self) -> bytes:
        if self.raw_body is not None:
            return self.raw_body
        if self.body is None:
            return b""
        pairs = [(name, _json(value)) for name, value in self.body.items() if name not in self.raw_values]
        pairs += list(self.raw_values.items())
        pairs += [(name, _json(self.body.get(name))) for name in self.repeated]
        return b"{" + b",".join(_json(name) + b":" + value for name, value in pairs) + b"}"


class Maker:
    """Makes requests to described operations; `choice` decides everything, so that a seed makes the same ones again."""

    def __init__(self, description: Mapping[str, Json], choice: random.Random) -> None:
        self._random = choice
        self._schemas: Mapping[str, Json] = description["components"]["schemas"]
        # Operations that there are for each trigger count once.
        self._groups: dict[str, list[tuple[str, str, Json]]] = {
            "GET /console/{file}": [("GET", "/console/{file}", CONSOLE)]
        }
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                group = re.sub(r"^/triggers/[^/]+", "/triggers/{trigger}", path)
                one = (method.upper(), path, operation)
                self._groups.setdefault(f"{method} {group}", []).append(one)

    def make(self, known: Known) -> Request:
        method, path, operation = self._random.choice(self._random.choice(list(self._groups.values())))
        draft = self._good(method, path, operation, known)
        for _ in range(self._random.choices(range(MOST_FAULTS + 1), (3, 5, 2, 1))[0]):
            self._random.choices([one for one, _ in FAULTS], [weight for _, weight in FAULTS])[0](self, draft)
        return draft.write()

    def _good(self, method: str, path: str, operation: Json, known: Known) -> Draft:
        """A request that fits the description."""
        values: dict[str, str] = {}
        query: list[tuple[str, str]] = []
        for one in operation.get("parameters", ()):
            own = f"{path.split('/')[1]}.{one['name']}"
            text = self._text(own if own in known else one["name"], one["schema"], known)
            if one["in"] == "path":
                values[one["name"]] = text
            elif self._random.random() < 0.4:
                query.append((one["name"], text))
        segments = [_encoded(values.get(part[1:-1], part)) if part[0] == "{" else part for part in path[1:].split("/")]
        body = None
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            body = self._value("body", schema, known)
        headers = [("x-functions-key", FUNCTION_KEY), ("Content-Type", "application/json")]
        return Draft(method, segments, query, headers, body if isinstance(body, dict) else None)

    def _text(self, name: str, schema: Json, known: Known) -> str:
        value = self._value(name, schema, known)
        return value if isinstance(value, str) else json.dumps(value)

    def _value(self, name: str, schema: Json, known: Known, depth: int = 0) -> Json:  # noqa: PLR0911 - a kind each
        """A value that fits a schema; one that exists, mostly."""
        exists = known.get(name) or known.get(ALIASES.get(name, ""))
        if exists and self._random.random() < 0.95:
            return self._random.choice(exists)
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self._value(name, self._random.choice(schema["anyOf"]), known, depth)
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, known, depth)
            case "array":
                items = schema.get("items", {"type": "string"})
                return [self._value(name, items, known, depth + 1) for _ in range(self._random.randrange(3))]
            case "integer" | "number":
                low, high = schema.get("minimum", -1_000), schema.get("maximum", 1_000)
                return self._random.choice([low, high, self._random.randint(int(low), int(min(high, 10**6)))])
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
        return self._random.choice(["a", "Name 1", "x-1", "\u00fc"])

    def _object(self, schema: Json, known: Known, depth: int) -> Json:
        made = {}
        for name, one in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self._random.random() < 0.4:
                made[name] = self._value(name, one, known, depth + 1)
        if schema.get("additionalProperties") not in (None, False):
            made |= {name: self._random.choice(["a", 1, None, 1.5]) for name in ("CustomerId", "Name")}
        return made

    # What can be wrong with a request

    def in_the_path(self, draft: Draft) -> None:
        place = self._random.randrange(len(draft.segments))
        draft.segments[place] = _encoded(self._random.choice(TEXTS))

    def in_the_shape_of_the_path(self, draft: Draft) -> None:
        piece, place = self._random.choice(PIECES), self._random.randrange(len(draft.segments) + 1)
        if place < len(draft.segments) and self._random.random() < 0.3:
            draft.segments[place] += piece
        else:
            draft.segments.insert(place, piece)

    def in_the_query(self, draft: Draft) -> None:
        text = self._random.choice(TEXTS)
        if draft.query and self._random.random() < 0.8:
            name = self._random.choice(draft.query)[0]
            draft.query.append((name, text))
            if self._random.random() < 0.8:
                draft.query = [(one, value) for one, value in draft.query if one != name or value == text]
        else:
            draft.query.append((self._random.choice(("unknown", "limit", "cursor", "code", "$filter", text)), text))

    def in_the_bytes_of_the_query(self, draft: Draft) -> None:
        draft.raw_query = (
            "&x=" + quote_from_bytes(self._random.choice((b"\xff", b"\x00", b"\xc0\xaf", b"\r\n"))) + "&&=&a"
        )

    def in_a_text_of_the_body(self, draft: Draft) -> None:
        if draft.body:
            draft.body[self._random.choice(list(draft.body))] = self._random.choice(TEXTS)

    def in_a_value_of_the_body(self, draft: Draft) -> None:
        if draft.body:
            draft.raw_values[self._random.choice(list(draft.body))] = self._random.choice(VALUES)

    def in_the_keys_of_the_body(self, draft: Draft) -> None:
        if not draft.body:
            return
        name = self._random.choice(list(draft.body))
        match self._random.randrange(3):
            case 0:
                del draft.body[name]
            case 1:
                draft.body[self._random.choice(TEXTS)] = 1
            case _:
                draft.repeated.append(name)

    def in_the_body(self, draft: Draft) -> None:
        draft.raw_body = self._random.choice(BODIES)

    def in_the_end_of_the_body(self, draft: Draft) -> None:
        whole = draft._body()
        draft.raw_body = whole[: self._random.randrange(len(whole) + 1)]

    def in_a_header(self, draft: Draft) -> None:
        draft.headers.append(self._random.choice(HEADERS))

    def in_the_method(self, draft: Draft) -> None:
        draft.method = self._random.choice(METHODS)

    def in_the_key(self, draft: Draft) -> None:
        draft.headers = [one for one in draft.headers if one[0] != "x-functions-key"]
        match self._random.randrange(3):
            case 0:
                draft.query.append(("code", FUNCTION_KEY))
            case 1:
                draft.headers.append(("x-functions-key", self._random.choice(TEXTS)))


FAULTS: Sequence[tuple[Callable[[Maker, Draft], None], int]] = (
    (Maker.in_the_path, 5),
    (Maker.in_the_shape_of_the_path, 3),
    (Maker.in_the_query, 4),
    (Maker.in_the_bytes_of_the_query, 1),
    (Maker.in_a_text_of_the_body, 5),
    (Maker.in_a_value_of_the_body, 5),
    (Maker.in_the_keys_of_the_body, 3),
    (Maker.in_the_body, 2),
    (Maker.in_the_end_of_the_body, 1),
    (Maker.in_a_header, 3),
    (Maker.in_the_method, 1),
    (Maker.in_the_key, 1),
)


def _encoded(text: str) -> str:
    """A text as it stands in an address. Half of a surrogate pair is in no valid UTF-8, and comes all the same."""
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()
