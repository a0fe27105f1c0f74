"""What all calls of the tenant's API share: reading a parameter, answering in JSON, refusing."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import hdrs, web

from local.tenant.wire import Json


class RefusalError(Exception):
    """A call that gets an error instead of an answer; `target` is the parameter or column that is at fault."""

    def __init__(self, status: HTTPStatus, message: str, target: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.target = status, message, target


def answer(request: web.Request, body: Json | Sequence[object] | bool, status: int = HTTPStatus.OK) -> web.Response:  # noqa: FBT001 - `true` is an answer
    """Answer with JSON, in gzip where the caller takes it, as the gateway in front of the API does."""
    response = web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def flag(request: web.Request, name: str, *, default: bool) -> bool:
    """Read a parameter that is true or false."""
    value = request.query.get(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The value of {name} is not valid.", name)
    return value == "true"


def number(request: web.Request, name: str, default: int) -> int:
    """Read a parameter that is a whole number, not negative."""
    value = request.query.get(name, str(default))
    if not value.isascii() or not value.isdigit():
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The value of {name} is not valid.", name)
    return int(value)
