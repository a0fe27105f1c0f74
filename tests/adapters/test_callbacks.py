"""Calls to callbacks over real sockets: what is sent, and what is never shown."""

import asyncio
import gc
import logging
from pathlib import Path

import pytest

from shared.domain.callbacks import Answer
from tests.adapters.scripted_flow import (
    ACCEPTED,
    BODY,
    HEADERS,
    SECRET,
    Reply,
    calling,
    close,
    cut,
    flow,
    reset,
    say_nothing,
)

# What is sent


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/workflows/0a/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-_b",
        "/%2F/%2f/%41/%7e/~/%zz/%",
        "//a//b/./c/../d/",
        "/a+b%20c?d+e=%2B&f=%20",
        "/x?",
        "/x??a=b?",
        "/?a=&b&=c&&",
        "/x?a=b;c=d&e=%C3%BC&f[]=1&g={h}|^`\"'<>",
        "/@user:password@evil.example/http://evil.example/",
        f"/{'a' * 8_000}",
    ],
)
async def test_the_request_target_is_the_url_s_byte_for_byte(target: str) -> None:
    async with flow() as receiver, calling() as client:
        assert await client.post(receiver.url(target), BODY, HEADERS) == Answer(status=202)
        assert receiver.targets == [target]


@pytest.mark.parametrize(("rest", "target"), [("", "/"), ("?a=b", "/?a=b"), ("?", "/?")])
async def test_an_empty_path_becomes_a_slash(rest: str, target: str) -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url(rest), BODY, HEADERS)
        assert receiver.targets == [target]


async def test_the_request_holds_what_the_caller_gave_and_what_http_needs() -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url("/x"), BODY, HEADERS)
        head, body = receiver.requests[0].split(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        assert body == BODY
        assert line == "POST /x HTTP/1.1"
        assert sorted(headers) == [
            "Accept-Encoding: identity",
            f"Content-Length: {len(BODY)}",
            "Content-Type: application/json",
            f"Host: flow.test:{receiver.port}",
            "User-Agent: customer-insights-event-bridge/0",
            "webhook-id: e1",
        ]


@pytest.mark.parametrize("character", ["\r\n", "\n", "\r", "\0"])
async def test_a_header_cannot_break_out_of_its_line(character: str) -> None:
    for header in ({"webhook-id": f"e1{character}X: y"}, {f"webhook-id{character}X": "y"}):
        async with flow() as receiver, calling() as client:
            with pytest.raises(ValueError, match="header"):
                await client.post(receiver.url(), BODY, header)
            assert receiver.requests == []


async def test_the_environment_names_no_proxy_and_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine flow.test login user password hidden")
    monkeypatch.setenv("NETRC", str(netrc))
    async with flow() as proxy, flow() as receiver, calling() as client:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await client.post(receiver.url(), BODY, HEADERS)
        assert proxy.connections == 0
        assert b"authorization" not in receiver.requests[0].lower()


async def test_cookies_are_not_kept() -> None:
    async with flow(ACCEPTED.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")) as receiver, calling() as client:
        for _ in range(2):
            await client.post(receiver.url(), BODY, HEADERS)
        assert b"cookie" not in receiver.requests[1].lower()


# Secrets


@pytest.mark.parametrize(
    "reply",
    [reset, close, say_nothing, cut(b"garbage\r\n\r\n"), cut(b"HTTP/1.1 400 B\r\nContent-Length: 9\r\n\r\n"), ACCEPTED],
)
@pytest.mark.parametrize("size", [len(BODY), 4_000_000])
async def test_no_failure_and_no_log_line_shows_the_url(
    reply: bytes | Reply, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(False)
    async with flow(reply) as receiver, calling(seconds=0.1) as client:
        answer = await client.post(receiver.url(), BODY.ljust(size), HEADERS)
        assert SECRET not in repr(answer)
    await asyncio.sleep(0)
    gc.collect()  # asyncio logs a failure that nobody asked for when it is thrown away
    await asyncio.sleep(0)
    assert SECRET not in caplog.text


async def test_the_client_shows_nothing() -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url(), BODY, HEADERS)
        assert SECRET not in repr(client)
        assert SECRET not in repr(client._connections._idle)
