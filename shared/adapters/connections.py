"""Connections to flows' hosts: opened to addresses that were checked, used for one exchange at a time, kept a while.

A kept connection leads to an address that has passed the same fixed rule as a new one's. The other side may close it
at any time; whatever else comes while nobody has asked ends it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import cast, override

from aiohappyeyeballs import start_connection

from shared.adapters.answer_reader import AnswerReader
from shared.domain.callbacks import Endpoint

KEEPALIVE_SECONDS = 15.0  # a burst of deliveries shares connections, so Azure's outbound ports (SNAT) do not run out
HEAD_START_SECONDS = 0.25  # how long an address is tried alone, before the next one joins (RFC 8305, 5)

type _Host = tuple[str, str]


class Connection(asyncio.Protocol):
    """A connection to a host. It is open until either side ends it."""

    def __init__(self, ended: Callable[["Connection"], None]) -> None:
        self.is_open = False
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: AnswerReader | None = None
        self._answered: asyncio.Future[None] | None = None

    async def exchange(self, request: bytes, reader: AnswerReader) -> None:
        """Send a request and read the answer to it, to its end or the connection's.

        Raises `OSError` when the connection ends before the answer has a status.
        """
        if self._transport is None or not self.is_open:
            raise ConnectionResetError
        self._reader, self._answered = reader, asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            await self._answered
        finally:
            self._reader = None
            if not reader.leaves_connection_usable or self._transport.get_write_buffer_size():
                self.abort()

    def abort(self) -> None:
        """End it at once. Once its event loop is closed nobody can; it ends with the process."""
        self.is_open = False
        if self._transport is not None and self._loop is not None and not self._loop.is_closed():
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast("asyncio.Transport", transport), True
        self._loop = asyncio.get_running_loop()

    @override
    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.abort()  # it would be taken for the beginning of the next answer
            return
        self._reader.feed(data)
        if self._reader.is_over:
            self._settle(None)

    @override
    def eof_received(self) -> None:
        self.is_open = False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._reader is not None:
            self._reader.end(cleanly=exc is None)
            self._settle((exc or ConnectionResetError()) if self._reader.status is None else None)
        self._ended(self)

    def _settle(self, error: Exception | None) -> None:
        self._reader = None
        if self._answered is None or self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)


class Connections:
    """Opens connections and keeps those that can be used again. Used from one event loop.

    `tls` replaces the system's certificate authorities; names are always verified.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._idle: dict[_Host, dict[Connection, asyncio.TimerHandle]] = {}

    async def open(self, endpoint: Endpoint, addresses: Sequence[str]) -> Connection:
        """A new connection to one of these addresses, and to no other. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        connection = Connection(lambda ended: self._forget(_host(endpoint), ended))
        is_secure = endpoint.scheme == "https"
        where = await start_connection(
            [_address(address, endpoint.port) for address in addresses], happy_eyeballs_delay=HEAD_START_SECONDS
        )
        await loop.create_connection(
            lambda: connection,
            sock=where,
            ssl=self._open_tls() if is_secure else None,
            server_hostname=endpoint.host if is_secure else None,
        )
        return connection

    def take(self, endpoint: Endpoint) -> Connection | None:
        """The kept connection to the endpoint's host that was used last, if there is one."""
        idle = self._idle.get(_host(endpoint), {})
        while idle:
            connection, timer = idle.popitem()
            timer.cancel()
            if connection.is_open:
                return connection
        return None

    def keep(self, endpoint: Endpoint, connection: Connection) -> None:
        """Keep a connection for the next exchange with this host, if it is open still."""
        if connection.is_open:
            timer = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, connection.abort)
            self._idle.setdefault(_host(endpoint), {})[connection] = timer

    def close(self) -> None:
        """End all that are kept."""
        for idle in self._idle.values():
            for connection, timer in idle.items():
                timer.cancel()
                connection.abort()
        self._idle.clear()

    def _forget(self, host: _Host, connection: Connection) -> None:
        idle = self._idle.get(host, {})
        if (timer := idle.pop(connection, None)) is not None:
            timer.cancel()
        if not idle:
            self._idle.pop(host, None)

    def _open_tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _host(endpoint: Endpoint) -> _Host:
    return endpoint.scheme, endpoint.authority


def _address(address: str, port: int) -> tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
