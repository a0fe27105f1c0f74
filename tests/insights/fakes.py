"""What the tests of the client share: a client against a faked API, a clock that never waits, and a bare server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.insights.auth import FixedToken, TokenSource
from shared.insights.calls import Calls
from shared.insights.client import InsightsClient
from shared.insights.clock import Clock

ENDPOINT = "https://api.example.com/v1"
KEY = "sub-key-9a77"
TOKEN = "tenant-token-5f1c"


@dataclass
class FakeClock:
    """Time passes only while somebody sleeps."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.waits.append(seconds)
        self.now += seconds


class FakeTokens:
    """A token source that has a few tokens, one after the other."""

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)

    def token(self) -> str:
        return self.left[0]

    def renew(self, rejected: str) -> bool:
        if self.left[0] == rejected and len(self.left) > 1:
            del self.left[0]
        return self.left[0] != rejected


def calls(clock: Clock | None = None, tokens: TokenSource | None = None, **settings: Any) -> Calls:  # noqa: ANN401 - any setting
    defaults: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "workflow": "main",
        "subscription_key": KEY,
        "patience": timedelta(seconds=45),
    }
    return Calls(tokens=tokens or FixedToken(TOKEN), clock=clock or FakeClock(), **(defaults | settings))


def client(clock: Clock | None = None, tokens: TokenSource | None = None, **settings: Any) -> InsightsClient:  # noqa: ANN401 - any setting
    return InsightsClient(calls(clock, tokens, **settings))


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers one request with these bytes and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        thread.join(10)
