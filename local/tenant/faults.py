"""Faults to inject into a simulated API: an answer, a delay or a lost connection, so often, on paths that match."""

import asyncio
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Fault:
    """What happens instead of, or before, the regular answer; `times` is how often it still will."""

    pattern: re.Pattern[str]
    times: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    reset: bool = False

    async def strike(self, request: web.Request) -> web.StreamResponse | None:
        """Let it happen; None lets the regular answer follow, which a mere delay does."""
        await asyncio.sleep(self.delay)
        if self.reset:
            _reset_connection(request)
            return web.Response()
        if self.status is None:
            return None
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@dataclass(slots=True)
class Faults:
    """The faults that are still to come; the one added first strikes first."""

    waiting: list[Fault] = field(default_factory=list)

    def add(  # noqa: PLR0913 - each is one thing that can go wrong, and all have defaults
        self,
        pattern: str,
        *,
        times: int = 1,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        delay: float = 0.0,
        reset: bool = False,
    ) -> None:
        """Add a fault for paths (below `/v1`) in which the regular expression is found; `delay` is in seconds."""
        self.waiting.append(Fault(re.compile(pattern), times, status, headers or {}, body, delay, reset))

    def end(self, pattern: str) -> None:
        """End all that was added with this pattern."""
        self.waiting = [fault for fault in self.waiting if fault.pattern.pattern != pattern]

    def take(self, path: str) -> Fault | None:
        """Give the fault that this call meets, if any, and count it."""
        for fault in self.waiting:
            if fault.times > 0 and fault.pattern.search(path):
                fault.times -= 1
                return fault
        return None


def _reset_connection(request: web.Request) -> None:
    """Close the connection with a TCP reset rather than an orderly end."""
    if request.transport is None:
        return
    connection: socket.socket | None = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    request.transport.abort()
