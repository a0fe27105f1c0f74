"""What a test process connects to: every address that Python asks the system for, whether or not anybody is there."""

import asyncio
import contextlib
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from local.loopback import free_port

REFUSAL = "out of bounds for tests"
# Where tests listen, as far as the system lets them: not every system has more than one IPv4 address of its own, and
# only some let everybody have ports below 1024.
HERE = ("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1")
USUAL_PORTS = (443, 80)

_watching: list[list[tuple[str, int]]] = []


def _note_connects(event: str, arguments: tuple[object, ...]) -> None:
    """Keep every address that is connected to, and let nothing out of this machine."""
    if event == "socket.connect" and _watching:
        address = arguments[1]
        assert isinstance(address, tuple)
        _watching[-1].append(address[:2])
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError(REFUSAL)


sys.addaudithook(_note_connects)  # cannot be taken away again, so it sleeps unless a test watches


@pytest.fixture
def connects() -> Iterator[list[tuple[str, int]]]:
    """All addresses that are connected to, or would be."""
    _watching.append([])
    yield _watching[-1]
    _watching.pop()


class Listening:
    """Sockets of this machine at which somebody could arrive: on `port`, and on the usual ones where possible."""

    def __init__(self) -> None:
        self.port = free_port()
        self._arrived = 0
        self._sockets: list[socket.socket] = []
        for port in (self.port, *USUAL_PORTS):
            for address in HERE:
                with contextlib.suppress(OSError):
                    self._sockets.append(_listen(address, port))
        for each in self._sockets:
            asyncio.get_running_loop().add_reader(each, self._accept, each)

    async def arrived(self) -> int:
        """How many have connected since the last look."""
        for _ in range(3):  # the system has taken the connections; the loop looks at the sockets in its next turn
            await asyncio.sleep(0)
        arrived, self._arrived = self._arrived, 0
        return arrived

    def close(self) -> None:
        for each in self._sockets:
            asyncio.get_running_loop().remove_reader(each)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
                self._arrived += 1


@pytest_asyncio.fixture
async def listening() -> AsyncIterator[Listening]:
    listening = Listening()
    yield listening
    listening.close()


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.bind((address, port))
        listener.listen(512)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener
