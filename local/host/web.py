"""HTTP triggers: from an aiohttp request to the worker's `Datum` and back, as Azure's host converts them.

It routes, checks the key, and answers 404, 401 and 500 without a body; everything else is the app's answer.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from azure_functions_runtime.bindings.datumdef import Datum
from multidict import CIMultiDict, MultiMapping

from local.host.keys import opens
from local.host.routes import RouteTable
from local.host.worker import Function, Worker

BODY_LIMIT = 104_857_600  # bytes: maxRequestBodySize of Azure Functions

# The server computes these from the body that it sends.
OWN_HEADERS = frozenset({"content-length", "transfer-encoding"})


class HttpTriggers:
    """Answers every request under the route prefix."""

    def __init__(self, worker: Worker, routes: RouteTable, *, prefix: str, key: str) -> None:
        self._worker = worker
        self._routes = routes
        self._prefix = f"/{prefix}" if prefix else ""
        self._key = key

    def add_to(self, app: web.Application) -> None:
        """Serve the functions in `app`."""
        # (?s): a decoded path may hold line feeds, which end no segment.
        app.router.add_route("*", self._prefix + "/{path:(?s:.*)}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """Run the function the request belongs to."""
        match = self._routes.match(request.method, decoded_path(request).removeprefix(self._prefix))
        if match is None:
            return web.Response(status=404)
        function, parameters = match
        if not is_open(function) and not opens(request, self._key):
            return web.Response(status=401)
        datum = request_datum(request, parameters, await request.read())
        trace_parent = request.headers.get("traceparent", "")
        outcome = await self._worker.invoke(function, datum, trace_parent=trace_parent)
        if not outcome.succeeded or outcome.value is None:
            return web.Response(status=500)
        return response(outcome.value)


def is_open(function: Function) -> bool:
    """Tell whether anyone may call the function."""
    return str(function.trigger.get("authLevel", "function")).lower() == "anonymous"


def decoded_path(request: web.Request) -> str:
    """Return the path decoded but for `%2F`, which does not end a segment."""
    path = request.raw_path.partition("?")[0]
    return unquote(re.sub("%(?=2f)", "%25", path, flags=re.IGNORECASE))


def request_datum(request: web.Request, parameters: Mapping[str, str], body: bytes) -> Datum:
    """Convert a request: all values are strings, the body is bytes."""
    value = {
        "method": Datum(request.method, "string"),
        "url": Datum(f"{request.scheme}://{request.host}{request.raw_path}", "string"),
        "headers": _strings({name.lower(): text for name, text in _joined(request.headers).items()}),
        "query": _strings(_joined(request.query)),
        "params": _strings(parameters),
        "body": Datum(body, "bytes"),
    }
    return Datum(value, "http")


def response(returned: Datum) -> web.Response:
    """Convert what a function returned: an `HttpResponse`, or a plain string."""
    if returned.type != "http":
        return web.Response(text=str(returned.value))
    value: Mapping[str, Any] = returned.value
    headers = CIMultiDict(
        (name, header.value) for name, header in value["headers"].items() if name.lower() not in OWN_HEADERS
    )
    for cookie in value.get("cookies") or ():
        headers.extend(("Set-Cookie", morsel.OutputString()) for morsel in cookie.values())
    return web.Response(status=int(value["status_code"].value), headers=headers, body=value["body"].value)


def _joined(pairs: MultiMapping[str]) -> dict[str, str]:
    """Join repeated values by a comma and drop the empty ones, as Azure's host does."""
    joined: CIMultiDict[str] = CIMultiDict()
    for name, text in pairs.items():
        if text:
            joined[name] = f"{joined[name]},{text}" if name in joined else text
    return dict(joined)


def _strings(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(text, "string") for name, text in values.items()}
