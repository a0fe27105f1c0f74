"""A flow as a scripted server on a raw socket, and the client that calls it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from shared.adapters.callbacks import CallbackClient
from shared.domain.callbacks import Answer, CallbackPolicy

SECRET = "c2lnbmF0dXJl"
PUBLIC, PUBLIC6 = "52.174.1.1", "2603:1020:206::1"
AZURE = CallbackPolicy(("*.logic.azure.com",))
AZURE_URL = f"https://prod-01.westeurope.logic.azure.com/workflows/0a?sp=%2Ftriggers&sig={SECRET}"
LOCAL = CallbackPolicy(("flow.test", "127.0.0.1"), allow_insecure=True)
BODY = b'{"id":"e1"}'
HEADERS = {"Content-Type": "application/json", "webhook-id": "e1", "User-Agent": "customer-insights-event-bridge/0"}
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

type Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Flow:
    """A scripted server on 127.0.0.1 that keeps the bytes of each request, and counts connections."""

    def __init__(self, reply: bytes | Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    def url(self, target: str = f"/x?sig={SECRET}", scheme: str = "http") -> str:
        return f"{scheme}://flow.test:{self.port}{target}"

    @property
    def targets(self) -> list[str]:
        return [request.split(b" ", 2)[1].decode() for request in self.requests]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(len(BODY)))
                if callable(self.reply):
                    await self.reply(reader, writer)
                else:
                    writer.write(self.reply)
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def flow(reply: bytes | Reply = ACCEPTED, tls: ssl.SSLContext | None = None) -> AsyncIterator[Flow]:
    receiver = Flow(reply)
    server = await asyncio.start_server(receiver.talk, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        server.abort_clients()


class Resolver:
    """Gives the scripted answers one after another, the last one for ever, and counts the questions."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = answers
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        del host
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.asynccontextmanager
async def calling(
    policy: CallbackPolicy = LOCAL,
    *addresses: list[str] | Exception,
    seconds: float = 5,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[CallbackClient]:
    resolve = Resolver(*addresses or (["127.0.0.1"],))
    client = CallbackClient(policy, seconds, resolve=resolve, tls=tls)
    try:
        yield client
    finally:
        await client.close()


async def post_once(reply: bytes | Reply, *, seconds: float = 5) -> Answer:
    async with flow(reply) as receiver, calling(seconds=seconds) as client:
        return await client.post(receiver.url(), BODY, HEADERS)


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def drip(head: bytes) -> Reply:
    """Make a reply that sends the head at once, and then a byte now and then without end."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    return reply


def cut(beginning: bytes) -> Reply:
    """Make a reply that ends after its beginning."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await writer.drain()
        writer.close()

    return reply
