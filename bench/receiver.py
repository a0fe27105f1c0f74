"""A receiver of POSTs for all sides alike: it answers each with the same status, and tells how many have come.

It is a process of its own and reads no more of a request than where that ends, so that it holds nobody up.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast, override

import aiohttp

from local.child import Child
from local.loopback import LOOPBACK
from local.stack import PROJECT

_IPV6_LOOPBACK: Final = "::1"
_START_WITHIN: Final = 60.0  # seconds
_HEAD_END, _LENGTH = b"\r\n\r\n", b"content-length:"


@dataclass(frozen=True, slots=True)
class Receiver:
    """The address of a receiver that runs."""

    port: int

    @property
    def url(self) -> str:
        """Its address, by a host name as flows have one."""
        return f"http://localhost:{self.port}"

    async def count(self) -> int:
        """How many POSTs it has answered."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{self.port}/") as answer:
            return int(await answer.read())


@asynccontextmanager
async def receiving(status: int = HTTPStatus.ACCEPTED, body: str = "") -> AsyncIterator[Receiver]:
    """A receiver that runs within the context; a flow says 202, and no more. A body is XML."""
    child = await Child.start(sys.executable, "-m", "bench.receiver", str(int(status)), body, cwd=PROJECT)
    try:
        found = await child.wait_for_line(r"^port (\d+)$", within=_START_WITHIN)
        yield Receiver(int(found[1]))
    finally:
        await child.stop()


class _Connection(asyncio.Protocol):
    answered = 0  # on all connections

    def __init__(self, answer: bytes) -> None:
        self._answer_to_post = answer
        self._buffer = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:end].lower()
            _, _, rest = head.partition(_LENGTH)
            whole = end + len(_HEAD_END) + int(rest.partition(b"\r\n")[0] or 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._answer(is_post=head.startswith(b"post"))

    def _answer(self, *, is_post: bool) -> None:
        if is_post:
            _Connection.answered += 1
            self._transport.write(self._answer_to_post)
        else:
            body = str(_Connection.answered).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def _serve(status: str, body: str) -> None:
    loop = asyncio.get_running_loop()
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", "x-ms-workflow-run-id: 08584"]
    lines += ["Content-Type: application/xml"] if body else []
    answer = "\r\n".join([*lines, "", body]).encode()
    server = await loop.create_server(lambda: _Connection(answer), LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    with contextlib.suppress(OSError):  # where a name leads to both, nobody waits for the other
        await loop.create_server(lambda: _Connection(answer), _IPV6_LOOPBACK, port)
    sys.stdout.write(f"port {port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
