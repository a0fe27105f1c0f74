import asyncio
import json
import logging
from http import HTTPStatus
from typing import Annotated, Any

import azure.functions as func
import pytest
from pydantic import BaseModel, Field

from shared.errors import NotFoundError, TransientError
from triggers.operations import OPERATIONS, Reply, Routes
from triggers.parameters import InInstance

SECRET = "word-that-nobody-may-see"


class Query(BaseModel):
    top: Annotated[int, Field(ge=1)] = 5


class Wish(BaseModel):
    size: float


class Shown(BaseModel):
    name: str
    nothing: str | None = None


class Serving:
    """Serves one declared function as the worker calls it."""

    def __init__(self, method: str, doing: Any, **declaration: Any) -> None:  # noqa: ANN401 - whatever is declared
        routes = Routes()
        routes(method, "instances/{instanceId}", summary="Try", **declaration)(doing)  # type: ignore[arg-type]
        self.operation = OPERATIONS.pop()
        app = func.FunctionApp()
        app.register_functions(routes.blueprint)
        (self.function,) = app.get_functions()

    def call(
        self, *, body: bytes = b"", query: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, Any, func.HttpResponse]:
        request = func.HttpRequest(
            method=method, url="/api/x", params=query or {}, route_params={"instanceId": "a%2Fb"}, body=body
        )
        answer = asyncio.run(self.function.get_user_function()(request))
        content = answer.get_body()
        return answer.status_code, json.loads(content) if content else None, answer


def test_checks_what_comes_in_and_shows_what_comes_out() -> None:
    async def look(path: InInstance, query: Query, body: Wish, req: func.HttpRequest) -> Shown:
        """Looks."""
        return Shown(name=f"{path.instance_id} {query.top} {body.size} {req.url}")

    serving = Serving("POST", look)
    assert serving.call(body=b'{"size": 0.5}', query={"top": "7"})[:2] == (200, {"name": "a/b 7 0.5 /api/x"})
    status, problem, _ = serving.call(body=b"{}", query={"top": "7"})
    assert (status, problem["errors"][0]["field"]) == (400, "size")
    status, problem, _ = serving.call(body=b'{"size": 1}', query={"top": "0"})
    assert (status, problem["errors"][0]["field"]) == (400, "top")


def test_nothing_to_show_is_an_answer_without_a_body() -> None:
    async def switch() -> None:
        """Switches."""

    assert Serving("POST", switch).call()[:2] == (204, None)


def test_a_reply_has_its_own_status_and_headers() -> None:
    async def make() -> Reply:
        """Makes."""
        return Reply(Shown(name="x"), HTTPStatus.CREATED, {"Location": "there"})

    status, body, answer = Serving("POST", make, answers={HTTPStatus.CREATED: Shown}).call()
    assert (status, body, answer.headers["Location"]) == (201, {"name": "x"}, "there")


def test_a_reply_may_be_encoded_already() -> None:
    async def give() -> Reply:
        """Gives."""
        return Reply(b'{"a":null}')

    status, body, answer = Serving("GET", give, answers={HTTPStatus.OK: Shown}).call()
    assert (status, body, answer.mimetype) == (200, {"a": None}, "application/json")


def test_an_error_that_nobody_expected_shows_nothing_but_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        """Fails."""
        raise KeyError(SECRET)

    status, problem, answer = Serving("GET", fail).call()
    assert (status, problem["status"], answer.mimetype) == (500, 500, "application/problem+json")
    assert SECRET not in answer.get_body().decode()
    assert "KeyError" not in answer.get_body().decode()
    assert "request.failed operation=Fail" in caplog.text
    assert "KeyError" in caplog.text


def test_a_callers_error_is_no_news_and_the_apis_failure_is(caplog: pytest.LogCaptureFixture) -> None:
    async def miss() -> None:
        """Misses."""
        raise NotFoundError("There is no such thing.")

    async def fail() -> None:
        """Fails."""
        raise TransientError("The API is down.", retry_after=30)

    with caplog.at_level(logging.INFO):
        assert Serving("GET", miss).call()[0] == 404
        assert not caplog.records
        status, _, answer = Serving("GET", fail).call()
    assert (status, answer.headers["Retry-After"]) == (503, "30")
    assert "The API is down." in caplog.text
