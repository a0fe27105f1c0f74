"""HTTP operations: each is declared once, beside the function that does it.

The declaration registers the function, checks what comes in, and is what the API's description is made from. A function
takes what it names of `path`, `query`, `body` (models) and `req`; it gives the model it answers with, a `Reply`, or
None for an answer without a body.
"""

import logging
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import azure.functions as func
from pydantic import BaseModel
from pydantic.alias_generators import to_pascal

from shared.errors import BridgeError, ConfigurationError, ConflictError, InvalidInputError, NotFoundError, RefusedError
from triggers.answers import UNUSABLE, answer, nothing, of_error, problem
from triggers.requests import parse_body, parse_parameters, parse_path

type Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
type Answers = Mapping[HTTPStatus, type[BaseModel] | None]
type Doing = Callable[..., Awaitable["BaseModel | Reply | None"]]
# What makers of flows see of an operation in the connector: at the top of the list, in it, below "show all"; nothing,
# because the platform alone calls it; nothing, because the connector does not have it.
type Visibility = Literal["important", "normal", "advanced", "internal", "absent"]

log = logging.getLogger("bridge.http")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is more than a model with status 200; `body` may be JSON that is encoded already."""

    body: BaseModel | bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API. `for_each_trigger`: the body is the trigger's own, and so is the address."""

    method: Method
    route: str
    id: str
    summary: str
    description: str
    path: type[BaseModel] | None
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    answers: Answers
    problems: Sequence[HTTPStatus]
    is_open: bool
    for_each_trigger: bool
    visibility: Visibility


OPERATIONS: list[Operation] = []


class Routes:
    """The operations of one module."""

    def __init__(self) -> None:
        self.blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    def __call__(  # noqa: PLR0913 - what an operation consists of, by name
        self,
        method: Method,
        route: str,
        *,
        summary: str,
        answers: Answers | None = None,
        problems: Sequence[HTTPStatus] = (),
        is_open: bool = False,
        for_each_trigger: bool = False,
        visibility: Visibility = "advanced",
    ) -> Callable[[Doing], Doing]:
        """Declare the function below. `answers` may be left out where its return annotation tells them."""

        def declare(doing: Doing) -> Doing:
            hints = typing.get_type_hints(doing)
            operation = Operation(
                method=method,
                route=route,
                id=to_pascal(doing.__name__),
                summary=summary,
                description=" ".join((doing.__doc__ or "").split()),
                path=hints.get("path"),
                query=hints.get("query"),
                body=hints.get("body"),
                answers=answers or _answers_of(hints["return"]),
                problems=problems,
                is_open=is_open,
                for_each_trigger=for_each_trigger,
                visibility=visibility,
            )
            OPERATIONS.append(operation)
            level = func.AuthLevel.ANONYMOUS if is_open else func.AuthLevel.FUNCTION
            register = self.blueprint.route(route=route, methods=[method], auth_level=level)
            register(_serving(operation, doing, takes_request="req" in hints))
            return doing

        return declare


def _answers_of(returned: Any) -> Answers:  # noqa: ANN401 - an annotation
    return {HTTPStatus.NO_CONTENT: None} if returned is type(None) else {HTTPStatus.OK: returned}


def _serving(
    operation: Operation, doing: Doing, *, takes_request: bool
) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    """The function that the worker calls: its parameter's name is the binding's."""

    async def serve(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return _written(await doing(**_taken(operation, req, takes_request=takes_request)))
        except (InvalidInputError, NotFoundError, ConflictError, RefusedError) as error:
            return of_error(error)
        except BridgeError as error:
            log.exception("request.failed operation=%s", operation.id)
            if operation.is_open and isinstance(error, ConfigurationError):
                # How the bridge is set up is nothing for those without a key.
                return problem(HTTPStatus.SERVICE_UNAVAILABLE, UNUSABLE)
            return of_error(error)
        except Exception:
            # Whatever it is, the caller gets an answer that shows nothing of it, and the operator the log.
            log.exception("request.failed operation=%s", operation.id)
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The bridge failed; its log says why.")

    # The worker names the function by this. Not `functools.wraps`: it would show the worker the other's parameters.
    serve.__name__, serve.__qualname__, serve.__doc__ = doing.__name__, doing.__qualname__, doing.__doc__
    return serve


def _taken(operation: Operation, req: func.HttpRequest, *, takes_request: bool) -> dict[str, object]:
    taken: dict[str, object] = {"req": req} if takes_request else {}
    if operation.path is not None:
        taken["path"] = parse_path(req.route_params, operation.path)
    if operation.query is not None:
        taken["query"] = parse_parameters(req.params, operation.query)
    if operation.body is not None:
        taken["body"] = parse_body(req.get_body(), operation.body)
    return taken


def _written(reply: BaseModel | Reply | None) -> func.HttpResponse:
    if reply is None:
        return nothing()
    if not isinstance(reply, Reply):
        return answer(shown(reply))
    if isinstance(reply.body, BaseModel):
        return answer(shown(reply.body), reply.status, reply.headers)
    return func.HttpResponse(
        reply.body, status_code=reply.status, headers=dict(reply.headers), mimetype="application/json"
    )


def shown(model: BaseModel) -> object:
    """A model as JSON values: camelCase, without the keys that have no value."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
