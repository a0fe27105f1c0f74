"""What every kind of answer, and of no answer, becomes: the status line decides, whatever comes behind it."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.answer_reader import MAX_BODY_BYTES
from shared.domain.callbacks import Answer
from shared.domain.verdicts import Verdict, judge
from tests.adapters.odd_answers import ODD_LINES, ODD_RESTS
from tests.adapters.scripted_flow import (
    BODY,
    HEADERS,
    Reply,
    calling,
    close,
    cut,
    drip,
    flow,
    post_once,
    reset,
    say_nothing,
)

DEAD = b'{"error":{"code":"WorkflowTriggerIsNotEnabled"}}'


def say(answer: bytes) -> Reply:
    """Make a reply that is said at once and leaves the connection open."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return reply


async def verdicts(status: int, make: Callable[[bytes], Reply], *, seconds: float = 5) -> dict[str, Verdict]:
    """What an answer means with each odd rest behind its status line, if one request was all that was sent."""

    async def judged(rest: bytes) -> Verdict:
        reply = make(b"HTTP/1.1 %d Whatever\r\n%s" % (status, rest))
        async with flow(reply) as receiver, calling(seconds=seconds) as client:
            answer = await client.post(receiver.url(), BODY, HEADERS)
            assert len(receiver.requests) == 1
            return judge(answer)

    return dict(zip(ODD_RESTS, await asyncio.gather(*map(judged, ODD_RESTS.values())), strict=True))


@pytest.mark.parametrize("status", [200, 202, 204, 400, 401, 404, 410, 429, 500, 503])
async def test_an_answer_has_its_status_and_body(status: int) -> None:
    body = b"" if status == 204 else b'{"error":{"code":"WorkflowTriggerIsNotEnabled"}}'
    answer = await post_once(b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
    assert answer == Answer(status=status, body=body.decode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with flow() as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/".encode()
        answer = await post_once(b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location))
        assert answer == Answer(status=status)
        assert elsewhere.connections == 0


async def test_an_answer_that_never_ends_is_read_up_to_64_kib() -> None:
    sent = 0

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()
            sent += 10_000

    answer = await post_once(stream)
    assert answer == Answer(status=400, body="x" * MAX_BODY_BYTES)
    assert sent < 16_000_000  # what the system's buffers took before the connection was closed


@pytest.mark.parametrize("value", ["08585287", "0858_5287-CU00"])
@pytest.mark.parametrize("status", [202, 400])
async def test_the_run_that_was_started_is_told(status: int, value: str) -> None:
    answer = await post_once(
        f"HTTP/1.1 {status} X\r\nx-ms-workflow-run-id: {value} \r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert answer == Answer(status=status, run_id=value)


@pytest.mark.parametrize("value", ["", "a b", "é", "x" * 129])
async def test_what_can_be_no_run_is_none(value: str) -> None:
    answer = await post_once(f"HTTP/1.1 202 X\r\nx-ms-workflow-run-id: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer == Answer(status=202)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    answer = await post_once(
        b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    )
    assert answer == Answer(status=400, body="\x1f\ufffd\x08\x00")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("120", 120, 120),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 3000, 3600, id="in an hour"),
    ],
)
async def test_retry_after_is_told_in_seconds(value: str, low: float, high: float) -> None:
    head = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    answer = await post_once(head.encode())
    assert answer.retry_after is not None
    assert low <= answer.retry_after <= high


@pytest.mark.parametrize("value", ["", "-5", "soon", "Mon, 04 May 2020 12:00:00 GMT"])
async def test_a_retry_after_that_makes_no_sense_is_none(value: str) -> None:
    answer = await post_once(f"HTTP/1.1 503 No\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer == Answer(status=503)


# Odd answers


@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_a_success_is_one_whatever_follows_its_status_line(status: int) -> None:
    expected = dict.fromkeys(ODD_RESTS, Verdict.DELIVERED)
    assert await verdicts(status, cut) == expected
    assert await verdicts(status, say, seconds=0.5) == expected


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (404, Verdict.GONE),
        (410, Verdict.GONE),
        (429, Verdict.RETRY),
        (503, Verdict.RETRY),
        (401, Verdict.DENIED),
        (307, Verdict.REJECTED),
    ],
)
async def test_any_other_answer_means_what_its_status_line_says(status: int, verdict: Verdict) -> None:
    expected = dict.fromkeys(ODD_RESTS, verdict)
    assert await verdicts(status, cut) == expected
    assert await verdicts(status, say, seconds=0.5) == expected


@pytest.mark.parametrize("rest", ODD_RESTS.values(), ids=list(ODD_RESTS))
async def test_a_refusal_that_cannot_be_read_to_its_end_is_no_final_one(rest: bytes) -> None:
    # It might have named a dead flow: a subscription that is held, not an event that is given up.
    answer = await post_once(cut(b"HTTP/1.1 400 Bad Request\r\n" + rest))
    assert judge(answer) is (Verdict.RETRY if answer.is_cut else Verdict.REJECTED)


@pytest.mark.parametrize(
    "head",
    [
        b"X: \x00\r\nContent-Length: %d\r\n\r\n",
        b"N\xc3\xa4me: x\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n",
        b"Content-Length: %d\n\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: 100000\r\n\r\n",
        b"\r\n",
        b"X" * 60_000 + b": x\r\nContent-Length: %d\r\n\r\n",
    ],
)
async def test_a_body_that_names_a_dead_flow_is_read_behind_an_odd_head(head: bytes) -> None:
    head = head.replace(b"%d", b"%d" % len(DEAD))
    answer = await post_once(cut(b"HTTP/1.1 400 Bad Request\r\n" + head + DEAD))
    assert judge(answer) is Verdict.GONE


@pytest.mark.parametrize("line", ODD_LINES)
@pytest.mark.parametrize("status", [202, 404])
async def test_a_status_line_is_read_in_every_spelling(line: bytes, status: int) -> None:
    answer = await post_once(cut(line.replace(b"202", b"%d" % status) + b"Content-Length: 0\r\n\r\n"))
    assert answer.status == status


@pytest.mark.parametrize("rest", [b"", b"X", b"X: y", b"X: y\r\n"])
@pytest.mark.parametrize(
    "status", [b"HTTP/1.1 202", b"HTTP/1.1 202 Acc", b"HTTP/1.1 202 Accepted\r", b"HTTP/1.1 202\r\n"]
)
async def test_a_success_counts_once_its_status_has_come(status: bytes, rest: bytes) -> None:
    whole = status + rest if status.endswith(b"\n") else status
    for reply, seconds in ((say(whole), 0.2), (cut(whole), 5)):
        assert (await post_once(reply, seconds=seconds)).status == 202


async def test_a_head_without_end_is_read_up_to_a_bound() -> None:
    sent = 0

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 202 Accepted\r\n")
        while True:
            writer.write(b"X: y\r\n" * 1_000)
            await writer.drain()
            sent += 6_000

    began = time.monotonic()
    assert (await post_once(stream)).status == 202
    assert time.monotonic() - began < 2
    assert sent < 16_000_000


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"x" * 1_000, b"\r\n"]
)
async def test_what_comes_instead_of_a_status_line_is_read_up_to_a_bound(line: bytes) -> None:
    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(line * 1_000)
            await writer.drain()

    began = time.monotonic()
    assert await post_once(stream) == Answer(failure="answer not readable")
    assert time.monotonic() - began < 2


@settings(deadline=None, max_examples=150)
@given(
    rest=st.binary(max_size=200)
    | st.text(":;, \r\n\tAXa0f/.=").map(str.encode)
    | st.lists(st.sampled_from([*ODD_RESTS.values(), b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])).map(
        b"".join
    )
)
def test_no_header_section_takes_a_success_back(rest: bytes) -> None:
    answer = asyncio.run(post_once(cut(b"HTTP/1.1 202 Accepted\r\n" + rest)))
    assert answer.status == 202


# Failures


@pytest.mark.parametrize(
    "reply",
    [
        say_nothing,
        drip(b"HTTP/1.1 40"),
        drip(b"HTTP/1.1 100 Continue\r\nX: "),
    ],
)
async def test_an_attempt_ends_at_its_time(reply: Reply) -> None:
    began = time.monotonic()
    answer = await post_once(reply, seconds=0.2)
    assert answer == Answer(failure="timeout")
    assert 0.15 < time.monotonic() - began < 1


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 400 Bad Request\r\nX: ", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 60000\r\n\r\n"]
)
async def test_an_answer_that_is_cut_off_by_the_time_says_what_has_come(head: bytes) -> None:
    answer = await post_once(drip(head), seconds=0.2)
    assert (answer.status, answer.is_cut, set(answer.body) <= {"a"}) == (400, True, True)


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (reset, "connection failed: ConnectionResetError"),
        (close, "connection failed: ConnectionResetError"),
        (cut(b"HTTP/1.1 40"), "connection failed: ConnectionResetError"),
        (cut(b"HTTP/1.1 100 Continue\r\n\r\n"), "connection failed: ConnectionResetError"),
        (cut(b"SSH-2.0-OpenSSH_9.6\r\n"), "answer not readable"),
        (cut(b"HTTP/1.1 many OK\r\n\r\n"), "answer not readable"),
        (cut(b"HTTP/1.1 20 OK\r\n\r\n"), "answer not readable"),
        (cut(b"HTTP/1.1 2020 OK\r\n\r\n"), "answer not readable"),
        (cut(b"HTTP/1.1 020 OK\r\n\r\n"), "answer not readable"),
        (cut(b"\xef\xbb\xbfHTTP/1.1 202 Accepted\r\n\r\n"), "answer not readable"),
        (cut(b"<html>\r\nHTTP/1.1 202 Accepted\r\n\r\n"), "answer not readable"),
        (cut(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), "answer not readable"),
    ],
)
async def test_what_is_no_answer_is_a_failure(reply: Reply, failure: str) -> None:
    assert await post_once(reply) == Answer(failure=failure)


@settings(deadline=None, max_examples=200)
@given(
    start=st.sampled_from(
        [b"", b"HTTP/1.1 ", b"HTTP/1.1 400 B\r\n", b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n"]
    ),
    rest=st.binary(max_size=60) | st.text(":;, \r\nA0f/.=").map(str.encode),
)
def test_no_answer_whatever_raises(start: bytes, rest: bytes) -> None:
    answer = asyncio.run(post_once(cut(start + rest)))
    assert (answer.status is None) is (answer.failure is not None)
    assert not answer.refused


async def test_nobody_listening_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with calling() as client:
            answer = await client.post(f"http://flow.test:{taken.getsockname()[1]}/x", BODY, HEADERS)
    assert answer == Answer(failure="connection failed: ConnectionRefusedError")


async def test_a_big_body_that_nobody_reads_is_a_failure() -> None:
    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)

    async with flow(listen) as receiver, calling(seconds=0.2) as client:
        answer = await client.post(receiver.url(), bytes(1_000_000 * 8), HEADERS)
        assert answer == Answer(failure="timeout")


async def test_an_attempt_can_be_cancelled() -> None:
    async with flow(say_nothing) as receiver, calling() as client:
        attempt = asyncio.create_task(client.post(receiver.url(), BODY, HEADERS))
        await asyncio.sleep(0.05)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
