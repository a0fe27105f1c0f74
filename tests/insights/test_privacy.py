"""What is known of a person reaches no log: neither a filter's value nor a row's key, nor what the API says of them."""

import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
import requests
from responses import RequestsMock

from shared.domain.rows import RowQuery
from shared.errors import BridgeError, NotFoundError
from shared.insights.rows import RowsClient
from tests.insights.fakes import KEY, TOKEN, answering, calls
from tests.insights.test_rows import ANY_DATA

PERSON = "jane.doe"
FILTER, ROW_KEY = f"EMail eq '{PERSON}@example.com'", f"{PERSON}@example.com"
PRIVATE = (PERSON, KEY, TOKEN, "%40example", "@example")

FAILURES: list[int | Exception] = [
    *(200, 204, 302, 400, 401, 403, 408, 409, 418, 429, 500, 503, 504),
    requests.ConnectionError(f"HTTPConnectionPool: Max retries exceeded with url: /People?$filter={FILTER}"),
    requests.ConnectTimeout(f"url: /People('{ROW_KEY}')"),
    requests.ReadTimeout(f"url: /People('{ROW_KEY}')"),
    requests.exceptions.SSLError(f"url: /People('{ROW_KEY}')"),
    requests.exceptions.ChunkedEncodingError(f"url: /People('{ROW_KEY}')"),
    requests.exceptions.InvalidURL(f"url: /People('{ROW_KEY}')"),
    requests.exceptions.InvalidHeader(f"url: /People('{ROW_KEY}')"),
]


async def listed(client: RowsClient) -> None:
    _ = [row async for page in client.pages("i1", "People", RowQuery(filter=FILTER)) for row in page]


async def one(client: RowsClient) -> None:
    await client.row("i1", "People", ROW_KEY)


async def created(client: RowsClient) -> None:
    await client.create("i1", "People", {"EMail": ROW_KEY})


async def updated(client: RowsClient) -> None:
    await client.update("i1", "People", ROW_KEY, {"EMail": ROW_KEY})


def told(error: BaseException | None) -> str:
    """All that a log could show of an exception: its traceback, and of all that it carries along, shown or not."""
    text = ""
    while error is not None:
        text += "".join(traceback.format_exception(error)) + repr(error)
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize(
    "failure", FAILURES, ids=lambda failure: getattr(type(failure), "__name__", "") + str(failure)[:3]
)
@pytest.mark.parametrize("act", [listed, one, created, updated])
async def test_no_failure_tells_of_whom_it_is_about(
    act: Callable[[RowsClient], Awaitable[None]], failure: int | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    words = f'{{"message": "no {FILTER} and no {ROW_KEY}, {KEY}, {TOKEN}"}}'
    with RequestsMock(assert_all_requests_are_fired=False) as api, caplog.at_level(logging.DEBUG):
        for method in ("GET", "POST", "PATCH"):
            if isinstance(failure, int):
                api.add(method, ANY_DATA, status=failure, body=words if failure != 200 else f"<html>{ROW_KEY}")
            else:
                api.add(method, ANY_DATA, body=failure)
        try:
            await act(RowsClient(calls().hurried()))
        except BridgeError as error:
            logging.getLogger("bridge").exception("request.failed")
            text = told(error) + caplog.text
        else:
            text = caplog.text
    assert [secret for secret in PRIVATE if secret in text] == []


async def test_who_asked_for_a_row_is_told_that_it_is_not_there() -> None:
    with RequestsMock() as api:
        api.get(ANY_DATA, status=404)
        with pytest.raises(NotFoundError, match=PERSON):
            await one(RowsClient(calls().hurried()))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\nno header\r\n\r\n[]", id="broken header section"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", id="cut off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunk"),
        pytest.param(b"nothing of HTTP", id="no HTTP"),
        pytest.param(b"", id="closed"),
    ],
)
@pytest.mark.parametrize("act", [listed, one])
async def test_neither_does_the_http_library(
    act: Callable[[RowsClient], Awaitable[None]], answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(answer) as endpoint, caplog.at_level(logging.INFO), pytest.raises(BridgeError) as caught:
        await act(RowsClient(calls(endpoint=endpoint).hurried()))
    assert PERSON not in told(caught.value) + caplog.text
