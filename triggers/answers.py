"""HTTP answers: JSON, and errors as problem details (RFC 9457).

No answer shows a stack trace, a secret or a callback URL.
"""

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import azure.functions as func
from pydantic import BaseModel, Field

from shared.errors import (
    AccessError,
    BridgeError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RefusedError,
    SettingsError,
    TimedOutError,
    TransientError,
)

RETRY_AFTER = 10
# OData's names of its options are our parameters' but for the dollar sign, and for this one.
_OPTIONS = {"$orderby": "orderBy"}
NO_ACCESS = (
    "Customer Insights refuses the bridge's own access: its subscription key, its token or its role. Your key is fine; "
    "the bridge's log says what to do."
)
WRONG_SETTINGS = (
    "Settings of the bridge are missing or malformed. Where azd has deployed it, set each with azd env set, then run "
    "azd provision."
)
UNUSABLE = "The bridge is not set up for this; its log says what to do."


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The field: a key of the body, a parameter, or a setting of the bridge.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(default="about:blank", description="The kind of problem.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, and what to do.")
    errors: Sequence[FieldError] | None = Field(default=None, description="The fields that are wrong.")


def answer(
    body: object, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """An answer with a JSON body."""
    return func.HttpResponse(encode(body), status_code=status, headers=dict(headers or {}), mimetype="application/json")


def encode(value: object) -> bytes:
    """A value as JSON, in ASCII: half of a surrogate pair, which no UTF-8 can hold, stays an escape."""
    return json.dumps(value, separators=(",", ":")).encode()


def nothing() -> func.HttpResponse:
    """An answer without a body."""
    return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    errors: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """An error as problem details; `errors` says what is wrong with each field."""
    fields = None if errors is None else [FieldError(field=name, message=text) for name, text in errors.items()]
    body = Problem(title=status.phrase, status=status.value, detail=detail, errors=fields)
    return func.HttpResponse(
        encode(body.model_dump(exclude_none=True)),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/problem+json",
    )


def of_error(error: BridgeError) -> func.HttpResponse:  # noqa: PLR0911 - the table of what callers are told
    """What a caller is told of an error."""
    match error:
        case InvalidInputError():
            return problem(HTTPStatus.BAD_REQUEST, "The request is not valid.", errors=error.fields)
        case RefusedError():
            words = error.words or "it does not say why"
            field = _OPTIONS.get(error.target, error.target.removeprefix("$")) or "request"
            return problem(
                HTTPStatus.BAD_REQUEST, f"Customer Insights refuses the request: {words}", errors={field: words}
            )
        case NotFoundError():
            return problem(HTTPStatus.NOT_FOUND, str(error))
        case ConflictError():
            return problem(HTTPStatus.CONFLICT, error.words or str(error))
        case TimedOutError():
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "Customer Insights did not answer in time; try again later.")
        case TransientError():
            after = {"Retry-After": str(max(1, math.ceil(error.retry_after or RETRY_AFTER)))}
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "The bridge cannot do this just now; try again later.", headers=after
            )
        case AccessError():
            return problem(HTTPStatus.BAD_GATEWAY, NO_ACCESS)
        case SettingsError():
            detail = " ".join(filter(None, (WRONG_SETTINGS, error.cure and f"{error.cure}.")))
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, errors=error.fields)
        case PermanentError():
            return problem(HTTPStatus.BAD_GATEWAY, str(error))
        case _:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, UNUSABLE)
