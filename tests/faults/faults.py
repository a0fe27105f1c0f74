"""The faults: small objects with a name, each of which says what befalls an edge."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import override

from tests.faults.proxy import Exchange, Fault

PAGE = b"<!doctype html><title>Sign in</title><p>Welcome to this network."
DRIP = 0.3  # seconds from byte to byte


@dataclass(frozen=True)
class Plain:
    """Nothing befalls anything; each fault is the exception that its own lines say."""

    name: str
    listens: bool = True
    resolves: bool = True
    is_trusted: bool = True

    @property
    def spares_connections(self) -> bool:
        return self.listens and self.resolves and self.is_trusted

    async def befall(self, exchange: Exchange) -> None:
        await exchange.send((await exchange.ask()).wire())


class Reset(Plain):
    """The request comes, and the connection is reset."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        exchange.reset()


class Lost(Plain):
    """What is asked is done, and the answer is lost."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        await exchange.ask()
        exchange.reset()


class Hang(Plain):
    """The request comes, and nothing follows, ever."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        await asyncio.Event().wait()


class Drip(Plain):
    """What is asked is done, and the answer comes byte for byte, for as long as nobody gives up."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        for byte in (await exchange.ask()).wire():
            await exchange.send(bytes([byte]))
            await asyncio.sleep(DRIP)


class Truncated(Plain):
    """What is asked is done, and the answer ends in the middle: of its body, or of its head where it has none."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        answer = await exchange.ask()
        wire = answer.wire()
        await exchange.send(wire[: len(wire) - (len(answer.body) + 1) // 2 - (not answer.body) * 8])
        exchange.end()


class WrongContent(Plain):
    """What is asked is done, and answered with that status and a page of somebody else."""

    @override
    async def befall(self, exchange: Exchange) -> None:
        answer = await exchange.ask()
        if exchange.request.start.startswith(b"HEAD ") or answer.start.split()[1] in {b"204", b"304"}:
            await exchange.send(answer.wire())
            return
        page = replace(answer, body=PAGE).having(b"content-type", b"text/html")
        await exchange.send(page.having(b"content-length", str(len(PAGE)).encode()).wire())


@dataclass(frozen=True)
class Status(Plain):
    """Nothing is done, and this is answered."""

    status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after: int | None = None

    @override
    async def befall(self, exchange: Exchange) -> None:
        after = f"Retry-After: {self.retry_after}\r\n" if self.retry_after is not None else ""
        head = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n{after}Content-Length: 0\r\n\r\n"
        await exchange.send(head.encode())


@dataclass(frozen=True)
class Skewed(Plain):
    """The edge's clock is wrong: what its answers say of now."""

    by: timedelta = timedelta(0)

    @override
    async def befall(self, exchange: Exchange) -> None:
        answer = await exchange.ask()
        if (date := answer.header(b"date")) is not None:
            moved = parsedate_to_datetime(date.decode()) + self.by
            answer = answer.having(b"date", format_datetime(moved, usegmt=True).encode())
        await exchange.send(answer.wire())


FAULTS: tuple[Fault, ...] = (
    Plain("refused", listens=False),
    Plain("name not found", resolves=False),
    Plain("wrong certificate", is_trusted=False),
    Reset("reset"),
    Lost("answer lost"),
    Hang("hang"),
    Drip("slow drip"),
    Truncated("answer cut short"),
    WrongContent("wrong content"),
    Status("408", status=HTTPStatus.REQUEST_TIMEOUT),
    Status("429", status=HTTPStatus.TOO_MANY_REQUESTS),
    Status("429, Retry-After", status=HTTPStatus.TOO_MANY_REQUESTS, retry_after=2),
    Status("500", status=HTTPStatus.INTERNAL_SERVER_ERROR),
    Status("503", status=HTTPStatus.SERVICE_UNAVAILABLE),
    Status("503, Retry-After", status=HTTPStatus.SERVICE_UNAVAILABLE, retry_after=2),
    Skewed("clock an hour ahead", by=timedelta(hours=1)),
    Skewed("clock an hour behind", by=timedelta(hours=-1)),
)
