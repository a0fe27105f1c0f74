"""Connections to flows: which are used again, and what becomes of an attempt when one ends."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.adapters import connections
from shared.adapters.callbacks import CallbackClient
from shared.domain.callbacks import Answer
from tests.adapters.scripted_flow import (
    ACCEPTED,
    BODY,
    HEADERS,
    LOCAL,
    Reply,
    Resolver,
    calling,
    close,
    cut,
    flow,
    reset,
    say_nothing,
)


async def test_a_connection_is_used_again() -> None:
    async with flow(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nbody") as receiver, calling() as client:
        for _ in range(3):
            assert (await client.post(receiver.url(), BODY, HEADERS)).body == "body"
        assert receiver.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        ACCEPTED,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nabcde\r\n1\r\nf\r\n0\r\nTrailer: x\r\n\r\n",
    ],
)
async def test_a_connection_is_used_again_after_an_answer_that_is_as_it_should_be(reply: bytes) -> None:
    async with flow(reply) as receiver, calling() as client:
        statuses = {(await client.post(receiver.url(), BODY, HEADERS)).status for _ in range(3)}
        assert (len(statuses), None in statuses, receiver.connections) == (1, False, 1)


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    async def say_more(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ACCEPTED)
        if len(receiver.requests) == 1:
            await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with flow(say_more) as receiver, calling() as client:
        for pause in (0.05, 0):
            assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
            await asyncio.sleep(pause)
        assert receiver.connections == 2


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ACCEPTED)
    writer.close()


async def test_a_server_that_closes_each_connection_without_saying_so_fails_no_attempt() -> None:
    async with flow(hang_up) as receiver, calling() as client:
        for n in range(40):
            assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
            if n % 2:
                await asyncio.sleep(0.001)  # now and then it shows before the next attempt, now and then after
        assert len(receiver.requests) == 40
        await asyncio.sleep(0.01)
        assert client._connections._idle == {}


class Forgetful:
    """Answers the first request of each connection, and does something else with the next."""

    def __init__(self, then: Reply) -> None:
        self.then = then
        self.known: set[asyncio.StreamWriter] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer in self.known:
            await self.then(reader, writer)
        else:
            self.known.add(writer)
            writer.write(ACCEPTED)


@pytest.mark.parametrize("then", [close, reset])
async def test_a_kept_connection_that_ends_without_a_word_is_replaced_at_once(then: Reply) -> None:
    async with flow(Forgetful(then)) as receiver, calling() as client:
        for _ in range(2):
            assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        assert receiver.connections == 2
        assert len(receiver.requests) == 3  # the one in the middle got lost, or did not


@pytest.mark.parametrize("then", [close, reset])
async def test_on_a_new_connection_nothing_is_sent_twice(then: Reply) -> None:
    async with flow(then) as receiver, calling() as client:
        answer = await client.post(receiver.url(), BODY, HEADERS)
        assert answer == Answer(failure="connection failed: ConnectionResetError")
        assert len(receiver.requests) == receiver.connections == 1


async def test_the_replacement_is_replaced_by_nothing() -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) == 1:
            writer.write(ACCEPTED)
        else:
            writer.close()

    async with flow(once) as receiver, calling() as client:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        answer = await client.post(receiver.url(), BODY, HEADERS)
        assert answer == Answer(failure="connection failed: ConnectionResetError")
        assert len(receiver.requests) == 3


@pytest.mark.parametrize("word", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 20"])
async def test_a_kept_connection_that_ends_after_a_word_is_a_failure(word: bytes) -> None:
    async with flow(Forgetful(cut(word))) as receiver, calling() as client:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        assert (await client.post(receiver.url(), BODY, HEADERS)).failure is not None
        assert len(receiver.requests) == 2


async def test_a_replacement_gets_no_more_time() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) == 2:
            await asyncio.sleep(0.2)
            writer.close()
        elif len(receiver.requests) == 3:
            await reader.read()
        else:
            writer.write(ACCEPTED)

    async with flow(late) as receiver, calling(seconds=0.3) as client:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        began = time.monotonic()
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(failure="timeout")
        assert time.monotonic() - began < 0.45


async def test_a_connection_that_nobody_needs_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE_SECONDS", 0.02)
    async with flow() as receiver, calling() as client:
        for _ in range(2):
            assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
            await asyncio.sleep(0.05)
        assert receiver.connections == 2
        assert client._connections._idle == {}


async def test_one_slow_callback_holds_up_no_other() -> None:
    async with flow(say_nothing) as slow, flow() as quick, calling(seconds=0.5) as client:
        waiting = [asyncio.create_task(client.post(slow.url(), BODY, HEADERS)) for _ in range(150)]
        await asyncio.sleep(0.1)
        assert await client.post(quick.url(), BODY, HEADERS) == Answer(status=202)
        assert not any(attempt.done() for attempt in waiting)
        assert {answer.failure for answer in await asyncio.gather(*waiting)} == {"timeout"}


async def test_a_closed_client_opens_again_when_used() -> None:
    async with flow() as receiver, calling() as client:
        await client.close()
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        await client.close()
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)


def test_a_client_closes_also_when_the_event_loop_that_it_was_used_in_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as other:
        url = f"http://flow.test:{server.getsockname()[1]}/x"

        def accept() -> socket.socket:
            accepted, _ = server.accept()
            accepted.sendall(ACCEPTED)
            return accepted

        async def use() -> CallbackClient:
            client = CallbackClient(LOCAL, 5, resolve=Resolver(["127.0.0.1"]))
            assert await client.post(url, BODY, HEADERS) == Answer(status=202)
            return client

        accepting = other.submit(accept)
        client = asyncio.run(use())
        with accepting.result():
            assert client._connections._idle, "it keeps no connection, so nothing is to be closed"
            asyncio.run(client.close())
        assert client._connections._idle == {}
