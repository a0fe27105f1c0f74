"""HTTP answers: JSON, and errors as problem details (RFC 9457).

No answer shows a stack trace, a secret or a callback URL.
"""

import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import azure.functions as func

from shared.errors import (
    BridgeError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)

type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

RETRY_AFTER = 10

log = logging.getLogger("bridge.http")


def answer(
    body: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """An answer with a JSON body."""
    text = json.dumps(body, ensure_ascii=False)
    return func.HttpResponse(text, status_code=status, headers=dict(headers or {}), mimetype="application/json")


def nothing() -> func.HttpResponse:
    """An answer without a body."""
    return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """An error as problem details."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    if errors is not None:
        body["errors"] = errors
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/problem+json",
    )


def of_error(error: BridgeError) -> func.HttpResponse:
    """What a caller is told of an error."""
    match error:
        case InvalidInputError():
            errors = [{"field": field, "message": message} for field, message in error.fields.items()]
            return problem(HTTPStatus.BAD_REQUEST, "The request is not valid.", errors=errors)
        case NotFoundError():
            return problem(HTTPStatus.NOT_FOUND, str(error))
        case ConflictError():
            return problem(HTTPStatus.CONFLICT, str(error))
        case TransientError():
            after = {"Retry-After": str(max(1, round(error.retry_after or RETRY_AFTER)))}
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The bridge cannot do this just now.", headers=after)
        case _:
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "The bridge is not set up for this; its log says what to do."
            )


def answering(handler: Handler) -> Handler:
    """Answer a handler's errors as problem details; what only the operator can mend goes to the log."""

    @functools.wraps(handler)
    async def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return await handler(req)
        except (InvalidInputError, NotFoundError, ConflictError) as error:
            return of_error(error)
        except BridgeError as error:
            log.exception("request.failed method=%s", req.method)
            return of_error(error)
        except Exception:
            log.exception("request.failed method=%s", req.method)
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The bridge failed; its log says why.")

    return wrapped
