"""A tap between an adapter and the tables of Azurite: what is asked, and what happens just before it arrives."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from local.loopback import serve
from shared.adapters.storage import Account

MAX_TOP = 1_000
OF_THE_CONNECTION = {"host", "connection", "keep-alive", "content-length", "transfer-encoding"}


def passed_on(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in OF_THE_CONNECTION}


class Tap:
    """`asked` is each request's method and what it is about; `before` runs once, before the next that begins so.

    The next request that begins as `lost` is lost with its connection, and of the next that begins as `lost_answer` the
    answer. `most` is how many rows the service gives at a time, whatever is asked for, as it may. `given` counts them.
    """

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self.asked: list[str] = []
        self.before: tuple[str, Callable[[], Awaitable[object]]] | None = None
        self.lost: str | None = None
        self.lost_answer: str | None = None
        self.most: int | None = None
        self.given = 0
        self._target = target
        self._session = session

    async def pass_on(self, request: web.Request) -> web.Response:
        asked = f"{request.method} {request.path.rpartition('/')[2].partition('(')[0]}"
        if self.before is not None and asked.startswith(self.before[0]):
            what, self.before = self.before[1], None
            await what()
        self.asked.append(asked)
        if self.lost is not None and asked.startswith(self.lost):
            self.lost = None
            return hang_up(request)
        if int(request.query.get("$top", "0")) > MAX_TOP:  # Azurite does not mind
            return web.Response(status=400)
        target = request.raw_path
        if self.most is not None:
            target = re.sub(r"((?:\$|%24)top=)\d+", rf"\g<1>{self.most}", target)
        url = URL(f"{self._target}{target}", encoded=True)
        body = await request.read() or None
        headers = passed_on(request.headers)
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            content = await answer.read()
        if self.lost_answer is not None and asked.startswith(self.lost_answer):
            self.lost_answer = None
            return hang_up(request)
        if request.method == "GET" and answer.ok:
            self.given += len(json.loads(content).get("value", ()))
        return web.Response(status=answer.status, body=content, headers=passed_on(answer.headers))


def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@asynccontextmanager
async def tapped(connection_string: str) -> AsyncIterator[tuple[Account, Tap]]:
    """An account whose tables are reached through a tap."""
    endpoint = re.search(r"TableEndpoint=(http://[^/]+)", connection_string)
    assert endpoint is not None
    async with aiohttp.ClientSession() as session:
        tap = Tap(endpoint[1], session)
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", tap.pass_on)
        async with serve(app) as address:
            yield Account(connection_string.replace(endpoint[1], address)), tap
