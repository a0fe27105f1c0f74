import gzip
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
import responses
from responses import RequestsMock

from shared.domain.resources import Instance
from shared.errors import (
    AccessError,
    BridgeError,
    ConfigurationError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    TimedOutError,
    TransientError,
)
from shared.insights.client import InsightsClient
from shared.insights.sessions import new_session
from shared.insights.transport import Answer, Call
from tests.insights.fakes import ENDPOINT, KEY, TOKEN, FakeClock, FakeTokens, answering, calls, client

INSTANCES = f"{ENDPOINT}/instances"
MESSAGE = '{"message": "Because  of\\nthis"}'


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, "", TransientError, "unreadable"),
        (200, "<html>", TransientError, "unreadable"),
        (200, "null", TransientError, "not a list"),
        (200, '{"value": []}', TransientError, "not a list"),
        (200, '[{"instanceId": "i1"}', TransientError, "cut off"),
        (204, "", TransientError, "unreadable"),
        (302, "", ConfigurationError, "CUSTOMER_INSIGHTS_ENDPOINT"),
        (400, MESSAGE, RefusedError, "Because of this"),
        (401, MESSAGE, AccessError, "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY"),
        (403, "", AccessError, "Settings > Permissions"),
        (404, MESSAGE, NotFoundError, "Because of this"),
        (404, "[]", NotFoundError, "does not exist"),
        (404, '{"message": 5}', NotFoundError, "does not exist"),
        (406, "not JSON", RefusedError, "406"),
        (408, "", TimedOutError, "408"),
        (409, "", RefusedError, "409"),
        (400, '{"message": "", "details": [{"message": "No Foo", "target": "Foo"}]}', RefusedError, "No Foo"),
        (400, '{"messages": [{"message": "parse Foo"}]}', RefusedError, "parse Foo"),
        (400, '{"Message": "In capitals"}', RefusedError, "In capitals"),
        (400, '{"error": {"message": "deeper"}}', RefusedError, "deeper"),
        (400, '{"title": "Bad", "detail": "told in full"}', RefusedError, "told in full"),
        (429, MESSAGE, ThrottledError, "Because of this"),
        (500, MESSAGE, TransientError, "Because of this"),
        (503, "", TransientError, "503"),
        (504, "", TimedOutError, "504"),
        (599, "", TransientError, "599"),
        (None, requests.ConnectionError("refused"), TransientError, "ConnectionError"),
        (None, requests.ConnectTimeout(), TimedOutError, "in time"),
        (None, requests.ReadTimeout(), TimedOutError, "in time"),
        (None, requests.exceptions.ChunkedEncodingError(), TransientError, "ChunkedEncodingError"),
        (None, requests.exceptions.SSLError(), TransientError, "SSLError"),
    ],
)
async def test_what_each_answer_means(
    api: RequestsMock, status: int | None, body: str | Exception, error: type[BridgeError], words: str
) -> None:
    api.get(INSTANCES, status=status or 200, body=body, headers={"Location": "https://elsewhere.example.com/"})
    with pytest.raises(BridgeError) as caught:
        await client().instances()
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "GET /instances" in str(caught.value)
    assert len(api.calls) == (3 if issubclass(error, TransientError) else 1)


async def test_backs_off_a_little_longer_each_time_and_then_succeeds(api: RequestsMock) -> None:
    api.get(INSTANCES, status=500)
    api.get(INSTANCES, body=requests.ConnectionError())
    api.get(INSTANCES, json=[])
    clock = FakeClock()
    assert await client(clock).instances() == []
    first, second = clock.waits
    assert 0.3 < first < 0.7
    assert 0.7 < second < 1.3


async def test_a_signature_that_the_api_quotes_is_not_passed_on(api: RequestsMock) -> None:
    api.get(INSTANCES, status=400, json={"message": "see https://s.blob.core.windows.net/x?sv=1&sig=S3cr3t%2B&se=2"})
    with pytest.raises(RefusedError, match="sv=1&sig=") as caught:
        await client().instances()
    assert "S3cr3t" not in str(caught.value) + caught.value.words


@pytest.mark.parametrize("seconds", [0, 20])
async def test_waits_as_long_as_the_api_asks(api: RequestsMock, seconds: int) -> None:
    api.get(INSTANCES, status=429, headers={"Retry-After": str(seconds)})
    api.get(INSTANCES, json=[])
    clock = FakeClock()
    await client(clock).instances()
    assert clock.waits == [pytest.approx(max(seconds, 0.5), abs=0.2)]


async def test_waits_until_the_date_the_api_names(api: RequestsMock) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    api.get(INSTANCES, status=503, headers={"Retry-After": date})
    api.get(INSTANCES, json=[])
    clock = FakeClock()
    await client(clock).instances()
    assert clock.waits == [pytest.approx(20, abs=3)]


async def test_passes_a_wait_beyond_its_patience_on_at_once(api: RequestsMock) -> None:
    api.get(INSTANCES, status=429, headers={"Retry-After": "60"})
    clock = FakeClock()
    with pytest.raises(TransientError) as caught:
        await client(clock).instances()
    assert caught.value.retry_after == 60
    assert clock.waits == []


async def test_what_it_passes_on_is_a_wait_of_a_day_at_most(api: RequestsMock) -> None:
    api.get(INSTANCES, status=503, headers={"Retry-After": "9" * 400})
    with pytest.raises(TransientError) as caught:
        await client().instances()
    assert caught.value.retry_after == 86_400


async def test_patience_counts_for_all_attempts_together(api: RequestsMock) -> None:
    api.get(INSTANCES, status=429, headers={"Retry-After": "30"})
    clock = FakeClock()
    with pytest.raises(TransientError):
        await client(clock).instances()
    assert clock.waits == [30]


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "-5",
        "1e9",
        "nan",
        "",
        "Fri, 99 Foo 2026",
        "Fri, 20 Nov 99999999999999 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -0100",
    ],
)
async def test_a_retry_after_that_says_nothing_is_ignored(api: RequestsMock, value: str) -> None:
    api.get(INSTANCES, status=503, headers={"Retry-After": value})
    clock = FakeClock()
    with pytest.raises(TransientError) as caught:
        await client(clock).instances()
    assert caught.value.retry_after is None
    assert len(clock.waits) == 2


async def test_an_answer_that_trickles_in_ends_with_the_patience(api: RequestsMock) -> None:
    clock = FakeClock()

    def slowly(_: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        clock.now += 46
        return 200, {}, b"[]"

    api.add_callback(responses.GET, INSTANCES, slowly)
    with pytest.raises(TransientError, match="in time"):
        await client(clock).instances()
    assert len(api.calls) == 1


def test_what_it_takes_to_read_an_answer_is_not_held_against_the_api(api: RequestsMock) -> None:
    api.get(INSTANCES, body=b"x" * 200_000)
    clock = FakeClock()

    def read(answer: Answer) -> int:
        length = 0
        for piece in answer.pieces:
            clock.now += 40
            length += len(piece)
        return length

    assert calls(clock).ask(Call("GET", "/instances"), read) == 200_000


async def test_renews_a_rejected_token_once(api: RequestsMock) -> None:
    api.get(INSTANCES, status=401)
    api.get(INSTANCES, json=[])
    assert await client(tokens=FakeTokens("old", "new")).instances() == []
    sent = [call.request.headers["Authorization"] for call in api.calls]
    assert sent == ["Bearer old", "Bearer new"]


async def test_a_second_rejection_is_final(api: RequestsMock) -> None:
    api.get(INSTANCES, status=401)
    with pytest.raises(AccessError):
        await client(tokens=FakeTokens("old", "new", "newer")).instances()
    assert len(api.calls) == 2


async def test_follows_no_redirect_with_the_key(api: RequestsMock) -> None:
    api.get(INSTANCES, status=307, headers={"Location": "https://elsewhere.example.com/"})
    elsewhere = api.get("https://elsewhere.example.com/", json=[])
    with pytest.raises(ConfigurationError):
        await client().instances()
    assert elsewhere.call_count == 0


async def test_reads_compressed_answers_and_rejects_broken_ones(api: RequestsMock) -> None:
    headers = {"Content-Encoding": "gzip"}
    api.get(INSTANCES, body=gzip.compress(b"[]")[:-12] + b"x" * 12, headers=headers)
    api.get(INSTANCES, body=gzip.compress(b"[]"), headers=headers)
    assert await client().instances() == []
    assert len(api.calls) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_no_error_holds_a_secret_even_where_the_api_repeats_it(api: RequestsMock, status: int) -> None:
    api.get(INSTANCES, status=status, json={"message": f"bad key {KEY}, bad token {TOKEN}"})
    insights = client()
    with pytest.raises(BridgeError) as caught:
        await insights.instances()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(insights._calls))
    assert KEY not in told
    assert TOKEN not in told


@pytest.mark.parametrize("secret", ["hush-7c1\n", " hush-7c1", "hüsh-7c1", "hush\x007c1"])
async def test_a_secret_that_no_header_can_carry_is_not_shown(secret: str) -> None:
    for insights in (client(subscription_key=secret), client(tokens=FakeTokens(secret))):
        with pytest.raises(AccessError) as caught:
            await insights.instances()
        assert secret.strip() not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("endpoint", ["no-url", "ftp://example.com", "https://"])
async def test_an_endpoint_that_is_no_url_is_a_matter_of_configuration(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="CUSTOMER_INSIGHTS_ENDPOINT"):
        await client(endpoint=endpoint).instances()


async def test_uses_the_session_it_is_given_and_closes_it(api: RequestsMock) -> None:
    api.get(INSTANCES, json=[])
    session = requests.Session()
    session.headers["X-Mine"] = "yes"
    api_calls = calls(session=session)
    await InsightsClient(api_calls).instances()
    api_calls.close()
    assert api.calls[0].request.headers["X-Mine"] == "yes"


def test_its_own_session_keeps_no_cookies_and_reads_no_environment() -> None:
    session = new_session()
    assert not session.trust_env
    with RequestsMock() as api:
        api.get(INSTANCES, headers={"Set-Cookie": "a=b"})
        session.get(INSTANCES)
    assert not session.cookies


LATIN = '[{"instanceId": "i1", "name": "Käse"}]'


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ("application/json; charset=iso-8859-1", LATIN.encode("iso-8859-1")),
        ('application/json;Charset="Windows-1252"', LATIN.encode("windows-1252")),
        ("application/json; charset=utf-16", LATIN.encode("utf-16")),
        ("application/json; charset=iso-8859-1", LATIN.encode()),
        ("text/plain; charset=no-such", LATIN.encode()),
        ("text/plain", LATIN.encode()),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf" + LATIN.encode()),
    ],
    ids=str,
)
async def test_an_answer_is_read_in_utf_8_or_else_as_it_says(api: RequestsMock, declared: str, body: bytes) -> None:
    api.get(INSTANCES, body=body, content_type=declared)
    assert await client().instances() == [Instance("i1", "Käse")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[]", TransientError, id="shorter than it says"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n", TransientError, id="no last chunk"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Sign in", TransientError, id="a sign-in page"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", TransientError, id="empty"),
        pytest.param(
            b'HTTP/1.1 200 OK\r\n\r\n{"errorCode": "E", "message": "m"}', TransientError, id="an error object"
        ),
        pytest.param(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", ConfigurationError, id="elsewhere"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n[]", None, id="until it closes"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]more", None, id="longer than it says"),
        pytest.param(b"HTTP/1.0 200\r\nContent-Length: 2\r\n\r\n[]", None, id="old"),
    ],
)
async def test_what_a_server_or_a_proxy_may_send(answer: bytes, error: type[BridgeError] | None) -> None:
    with answering(answer) as endpoint:
        insights = InsightsClient(calls(endpoint=endpoint).hurried())
        if error is None:
            assert await insights.instances() == []
            return
        with pytest.raises(error):
            await insights.instances()


@contextmanager
def answering_slowly(*pieces: bytes, pause: float) -> Iterator[str]:
    """A server that lets its answer drip until nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        thread.join(10)


@pytest.mark.parametrize(
    "location", [b"http://[bad", b"http://api.example.com/\xff\xfe", b"http://api.example.com:99999999/", b"", b"\x00"]
)
async def test_a_redirect_is_refused_wherever_it_leads(location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with answering(answer) as endpoint, pytest.raises(ConfigurationError, match="leads elsewhere"):
        await client(endpoint=endpoint).instances()


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n" * 3,
    ],
)
async def test_an_interim_answer_is_passed_over(interim: bytes) -> None:
    body = b'[{"instanceId": "i1"}]'
    with answering(interim + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as endpoint:
        assert await client(endpoint=endpoint).instances() == [Instance("i1")]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 102 Processing\r\n\r\n" * 100,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n[]",
    ],
)
async def test_what_is_no_answer_may_be_one_the_next_time(answer: bytes) -> None:
    with answering(answer) as endpoint, pytest.raises(TransientError):
        await client(endpoint=endpoint, patience=timedelta(milliseconds=1)).instances()


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"400 Bad Request"])
async def test_an_answer_that_drips_ends_with_the_patience(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nLocation: http://api.example.com/\r\nContent-Length: 1000\r\n\r\n"
    before = time.monotonic()
    with answering_slowly(head, *[b" "] * 80, pause=0.1) as endpoint, pytest.raises(TimedOutError):
        await client(time, endpoint=endpoint, patience=timedelta(seconds=1)).instances()
    assert time.monotonic() - before < 4


async def test_headers_that_drip_do_not_outlast_the_patience() -> None:
    started = time.monotonic()
    with (
        answering_slowly(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 80, pause=0.1) as endpoint,
        pytest.raises(TimedOutError),
    ):
        await client(time, endpoint=endpoint, patience=timedelta(seconds=1)).instances()
    assert time.monotonic() - started < 4
