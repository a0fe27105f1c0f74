"""Judges answers: whether the API's description has them, what they tell, and where Customer Insights was asked."""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs

from tests.fuzz.app import HOST, SECRETS, Answered, Request
from tests.fuzz.nasty import GATEWAY

type Json = Any

# What a request to the bridge may ask of Customer Insights, by the beginning of its path: the answer to the request for
# a row must never come from elsewhere. `*` is one segment, which may hold anything but dots that lead elsewhere.
_INSTANCE = "/v1/instances/*"
_WORKFLOW = (f"{_INSTANCE}/workflows/main", f"{_INSTANCE}/manage/workflows/main")
UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "instances": ("GET /v1/instances",),
    "instances/*/data-sources": tuple(f"GET {_INSTANCE}/manage/datasources{tail}" for tail in ("", "/v2")),
    "instances/*/jobs": tuple(f"GET {one}/jobs" for one in _WORKFLOW),
    "instances/*/jobs/*": tuple(f"GET {one}/jobs/*" for one in _WORKFLOW),
    "instances/*/jobs/*/cancel": tuple(f"POST {one}/jobs/*/cancel" for one in _WORKFLOW),
    "instances/*/measures": (f"GET {_INSTANCE}/manage/measures",),
    "instances/*/measures/*": (f"GET {_INSTANCE}/manage/measures/*",),
    "instances/*/refresh": tuple(f"POST {one}/jobs" for one in _WORKFLOW),
    "instances/*/report": tuple(f"GET {one}/{what}" for one in _WORKFLOW for what in ("jobs", "status")),
    "instances/*/segments": (f"GET {_INSTANCE}/manage/segments",),
    "instances/*/segments/*": (f"GET {_INSTANCE}/manage/segments",),
    "instances/*/segments/*/activate": (f"PUT {_INSTANCE}/manage/segments/*/activate",),
    "instances/*/segments/*/deactivate": (f"PUT {_INSTANCE}/manage/segments/*/deactivate",),
    "instances/*/status": tuple(f"GET {one}/{what}" for one in _WORKFLOW for what in ("jobs", "status")),
    "instances/*/tables": (f"GET {_INSTANCE}/manage/entities",),
    "instances/*/tables/*": tuple(f"GET {_INSTANCE}/manage/entities{tail}" for tail in ("", "/*")),
    "instances/*/tables/*/items": (f"GET {_INSTANCE}/data/*", f"POST {_INSTANCE}/data/*"),
    "instances/*/tables/*/items/*": (f"GET {_INSTANCE}/data/*", f"PATCH {_INSTANCE}/data/*/*"),
    "instances/*/tables/*/partitions": tuple(f"GET {_INSTANCE}/manage/entities{tail}" for tail in ("", "/*")),
    "instances/*/tables/*/partitions/*": (
        *(f"GET {_INSTANCE}/manage/entities{tail}" for tail in ("", "/*")),
        f"GET {_INSTANCE}/data/*",
        "GET /partitions/*/*/*",
    ),
    "triggers/*/subscriptions": (
        "GET /v1/instances",
        f"GET {_INSTANCE}/manage/segments",
        f"GET {_INSTANCE}/manage/measures/*",
        *(f"GET {_INSTANCE}/manage/datasources{tail}" for tail in ("", "/v2")),
    ),
}
_SAME = {"triggers/*/subscriptions/*": "triggers/*/subscriptions"}
_KEY_IN_LINE = re.compile(r"[\r\n\x00]")


class Judge:
    """Finds what is wrong with an answer to a request; the tenant behind it is well."""

    def __init__(self, description: Mapping[str, Json]) -> None:
        components = {"components": description["components"]}
        self._operations: list[tuple[str, re.Pattern[str], Json]] = []
        self._validators: dict[str, Any] = {}
        for path, operations in description["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?", re.IGNORECASE)
            for method, operation in operations.items():
                self._operations.append((method.upper(), pattern, operation))
        # Literal paths before those with parameters, as the host has it.
        self._operations.sort(key=lambda one: one[1].pattern.count("[^/]+"))
        for reference in set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description["paths"]))):
            schema = {"$ref": f"#/components/schemas/{reference}", **components}
            self._validators[reference] = jsonschema_rs.validator_for(schema)

    def faults(self, request: Request, answered: Answered) -> Iterator[str]:
        """What is wrong, in words."""
        text = answered.body.decode("utf-8", "replace")
        if answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            yield f"the answer is {answered.status}: {text[:300]}"
        told = text + "".join(f"{name}: {value}\n" for name, value in answered.headers.items())
        yield from (f"the answer tells {secret}" for secret in SECRETS if secret in told)
        if any(_KEY_IN_LINE.search(name + value) for name, value in answered.headers.items()):
            yield "a header breaks out of its line"
        location = answered.headers.get("Location", "console/")
        # No public address is set here, so the request's own is given, which `Host` names.
        if urlsplit(location).netloc not in {"", HOST, GATEWAY, request.headers.get("Host")}:
            yield f"somebody else is given the address {location!r}"
        yield from self._against_description(request, answered)
        yield from _asked_elsewhere(request, answered)

    def _against_description(self, request: Request, answered: Answered) -> Iterator[str]:
        path = _path(request)
        found = next(
            (one for method, pattern, one in self._operations if method == request.method and pattern.fullmatch(path)),
            None,
        )
        if answered.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED} and not answered.body:
            return  # the host's own answers
        if found is None:
            # An unknown trigger is the app's to refuse: the host knows one route for all of them.
            refused = answered.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
            if not path.startswith("/console") and not refused:
                yield f"{answered.status} where nothing is described"
            return
        described = found["responses"].get(str(answered.status))
        if described is None:
            yield f"{answered.status} is not described"
            return
        content = described.get("content", {})
        media_type = answered.headers.get("Content-Type", "").partition(";")[0]
        if not content:
            if answered.body:
                yield f"{answered.status} has a body"
            return
        if media_type not in content:
            yield f"{answered.status} is {media_type!r}"
            return
        try:
            body = json.loads(answered.body, parse_constant=_refuse)
        except ValueError as error:
            yield f"the body is no JSON: {error}"
            return
        reference = content[media_type]["schema"]["$ref"].rpartition("/")[2]
        yield from (
            f"{'/'.join(map(str, wrong.instance_path))}: {str(wrong.message)[:200]}"
            for wrong in self._validators[reference].iter_errors(body)
        )


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _path(request: Request) -> str:
    """The path below the prefix as the host sees it: decoded but for slashes."""
    raw = request.target.partition("?")[0].removeprefix("/api")
    return unquote(re.sub("%(?=2f)", "%25", raw, flags=re.IGNORECASE))


def _asked_elsewhere(request: Request, answered: Answered) -> Iterator[str]:
    """Requests to Customer Insights that this one has no business to make."""
    if not answered.upstream:
        return
    path = _path(request).strip("/").lower()
    kinds = (*UPSTREAM, *_SAME)
    kind = next((kind for kind in kinds if re.fullmatch(re.escape(kind).replace(r"\*", "[^/]+"), path)), None)
    allowed = UPSTREAM[_SAME.get(kind, kind)] if kind else ()
    for asked in answered.upstream:
        bare = asked.partition("?")[0]
        if not any(_pattern(one).fullmatch(bare) for one in allowed):
            yield f"Customer Insights was asked {asked!r}"


def _pattern(text: str) -> re.Pattern[str]:
    # A segment is not empty, and not one of those that lead elsewhere.
    return re.compile(re.escape(text).replace(r"\*", r"(?!\.{1,2}(?:/|$))[^/?#]+"), re.DOTALL)
