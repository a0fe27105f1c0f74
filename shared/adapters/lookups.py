"""Lookups of host names: in threads of their own, one at a time for each host, each answer kept for some seconds.

The system's lookup blocks a thread for as long as a name server keeps it waiting. In the threads that everything else
in the process shares, a few attempts to reach one dark host would hold up storage and every other flow.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

MAX_LOOKUPS = 32  # hosts at a time; threads are started as they are needed
KEEP_SECONDS = 5.0  # how long an answer is taken to hold: a flow's host moves seldom, and slowly
WAIT_SECONDS = 3.0  # how long one waits for an answer

type LookUp = Callable[[str], Sequence[str]]


def look_up(host: str) -> Sequence[str]:
    """All addresses of a host, IPv4 and IPv6, as the system finds them; blocks. Raises `OSError` when it has none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Lookups:
    """Finds the addresses of hosts. Used from one event loop."""

    def __init__(
        self, look_up: LookUp = look_up, keep_seconds: float = KEEP_SECONDS, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._look_up = look_up
        self._keep_seconds = keep_seconds
        self._wait_seconds = wait_seconds
        self._threads: ThreadPoolExecutor | None = None
        self._answers: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """All addresses of a host. Raises `OSError` when it has none or they cannot be learned now."""
        answer = self._answers.get(host)
        if answer is None:
            answer = self._answers[host] = self._begin(host)
        if not answer.done():
            async with asyncio.timeout(self._wait_seconds):
                await asyncio.shield(answer)  # who gives up waiting does not end it for the others
        return answer.result()

    def close(self) -> None:
        """Let go of the threads; those that wait for a name server end when it has answered."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = None
        self._answers.clear()

    def _begin(self, host: str) -> asyncio.Future[Sequence[str]]:
        loop = asyncio.get_running_loop()
        self._threads = self._threads or ThreadPoolExecutor(MAX_LOOKUPS, "lookup")

        def keep(answer: asyncio.Future[Sequence[str]]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                self._forget(host, answer)
            else:
                loop.call_later(self._keep_seconds, self._forget, host, answer)

        answer = loop.run_in_executor(self._threads, self._look_up, host)
        answer.add_done_callback(keep)
        return answer

    def _forget(self, host: str, answer: asyncio.Future[Sequence[str]]) -> None:
        if self._answers.get(host) is answer:
            del self._answers[host]
