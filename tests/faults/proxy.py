"""The proxy before an edge: serves it over TLS under its own name, and lets a fault befall what goes through."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from local.loopback import LOOPBACK, free_port

_END = b"\r\n\r\n"
_LONGEST_HEAD = 2**18  # bytes
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_NO_BODY = {204, 304}


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: its first line, its headers as they came, its whole body."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def target(self) -> str:
        """Of a request: the path with its query."""
        return self.start.split(b" ")[1].decode()

    def header(self, name: bytes) -> bytes | None:
        """The value of a header."""
        return next((value for found, value in self.headers if found.lower() == name), None)

    def having(self, name: bytes, value: bytes) -> "Message":
        """The same with another value of a header."""
        others = tuple(each for each in self.headers if each[0].lower() != name)
        return replace(self, headers=(*others, (name, value)))

    def wire(self) -> bytes:
        """As it goes over the wire."""
        lines = [self.start, *(name + b": " + value for name, value in self.headers)]
        return b"\r\n".join(lines) + _END + self.body


class Exchange:
    """A request that has come through the proxy, and what may be done with it."""

    def __init__(self, request: Message, target: tuple[str, int], writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.is_over = False
        self._target = target
        self._writer = writer

    async def ask(self) -> Message:
        """Have the edge do what is asked; its answer."""
        reader, writer = await asyncio.open_connection(*self._target, limit=_LONGEST_HEAD)
        try:
            # The emulator reads an account from a host's name.
            writer.write(self.request.having(b"host", b"%s:%d" % (self._target[0].encode(), self._target[1])).wire())
            await writer.drain()
            answer = await _read(reader, is_answer_to=self.request)
        finally:
            writer.close()
        if answer is None:
            raise ConnectionError("the edge has not answered")
        return answer

    async def send(self, data: bytes) -> None:
        """Send some bytes of an answer."""
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """End the connection in good order."""
        self.is_over = True

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.is_over = True
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()


class Fault(Protocol):
    """What may befall an edge."""

    @property
    def name(self) -> str:
        """As the table has it."""

    @property
    def spares_connections(self) -> bool:
        """False where nobody can connect: the connections that stand are cut when it begins."""

    @property
    def listens(self) -> bool:
        """Whether the edge's port is open."""

    @property
    def resolves(self) -> bool:
        """Whether the edge's name is known."""

    @property
    def is_trusted(self) -> bool:
        """Whether the edge shows a certificate of the authority."""

    async def befall(self, exchange: Exchange) -> None:
        """Let it happen to a request."""


class Names(Protocol):
    """A name server."""

    def add(self, proxy: "Proxy") -> None:
        """Have a proxy's name found."""

    def remove(self, proxy: "Proxy") -> None:
        """Have it found no more."""


class Proxy:
    """Stands before the server at `address`, under `name`; `strikes` counts what the present fault has befallen.

    It shows a `trusted` certificate, or a `strange` one where the fault is one of trust.
    """

    def __init__(
        self,
        name: str,
        address: str,
        names: Names,
        *,
        trusted: ssl.SSLContext,
        strange: ssl.SSLContext,
    ) -> None:
        self.name = name
        self.port = free_port()
        self.strikes = 0
        self._target = (str(urlsplit(address).hostname), urlsplit(address).port or 80)
        self._trusted, self._strange = trusted, strange
        self._names = names
        self._fault: Fault | None = None
        self._spared: Callable[[Message], bool] = lambda _: False
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        trusted.sni_callback = self._show_certificate

    @property
    def url(self) -> str:
        """Where the edge is found."""
        return f"https://{self.name}:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve until the end of the block."""
        await self._listen()
        self._names.add(self)
        try:
            yield
        finally:
            await self._close()

    async def begin(self, fault: Fault, *, sparing: Callable[[Message], bool] = lambda _: False) -> None:
        """Let a fault begin, for all requests but those that are spared."""
        self.strikes, self._fault, self._spared = 0, fault, sparing
        if not fault.resolves:
            self._names.remove(self)
        if not fault.listens:
            await self._close()
        elif not fault.spares_connections:
            self._cut()

    async def end(self) -> None:
        """Let the fault end. A request that it keeps hanging stays so: nobody is left who would answer it."""
        fault, self._fault = self._fault, None
        self._names.add(self)
        if fault is not None and not fault.listens:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, self.port, ssl=self._trusted, limit=_LONGEST_HEAD
        )

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()

    def _cut(self) -> None:
        for writer, task in list(self._open.items()):
            writer.transport.abort()
            task.cancel()

    def _show_certificate(self, shown: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._fault is not None and not self._fault.is_trusted:
            self.strikes += 1
            shown.context = self._strange

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while (request := await _read(reader)) is not None:
                    exchange = Exchange(request, self._target, writer)
                    if self._fault is None or self._spared(request):
                        await exchange.send((await exchange.ask()).wire())
                    else:
                        self.strikes += 1
                        await self._fault.befall(exchange)
                    if exchange.is_over:
                        break
        finally:
            del self._open[writer]
            writer.close()


async def _read(reader: asyncio.StreamReader, *, is_answer_to: Message | None = None) -> Message | None:
    """The next message of a connection; None at its end."""
    try:
        head = await reader.readuntil(_END)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    start, *lines = head.removesuffix(_END).split(b"\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    message = Message(start, headers, b"")
    if is_answer_to is not None and (int(start.split()[1]) in _NO_BODY or is_answer_to.start.startswith(b"HEAD ")):
        return message
    if (message.header(b"transfer-encoding") or b"").lower() == b"chunked":
        body = await _chunks(reader)
        others = tuple(each for each in headers if each[0].lower() != b"transfer-encoding")
        return Message(start, (*others, (b"Content-Length", str(len(body)).encode())), body)
    if (length := message.header(b"content-length")) is not None:
        return replace(message, body=await reader.readexactly(int(length)))
    return replace(message, body=await reader.read()) if is_answer_to is not None else message


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body
