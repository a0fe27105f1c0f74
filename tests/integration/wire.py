"""A proxy before a storage service: it notes each request, and answers 503 while it is told to."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from local.loopback import serve

# What belongs to one connection alone, and what is said anew.
OWN = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "date", "server"}
# A header that the sender has signed as left out, and that a client adds by itself.
SIGNED = ["Content-Type"]
# Of a table, `name()` is asked for all of some kind, and `name(keys)` for one row.
NAME = re.compile(r"/devstoreaccount1/(\$?\w+)(\(\))?")


class Wire:
    """The way to one service of the storage account, such as `Table`; `calls` counts method (or `QUERY`) and name."""

    def __init__(self, session: aiohttp.ClientSession, target: str) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.is_cut = False
        self._session = session
        self._target = target

    @classmethod
    @asynccontextmanager
    async def before(cls, service: str, connection: str) -> AsyncIterator[tuple[Self, str]]:
        """Stand before a service of a storage account; yields it and the connection string that leads over it."""
        parts = dict(part.split("=", 1) for part in connection.split(";"))
        endpoint = urlsplit(parts[f"{service}Endpoint"])
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            wire = cls(session, f"{endpoint.scheme}://{endpoint.netloc}")
            app = web.Application(client_max_size=2**26)
            app.router.add_route("*", "/{path:.*}", wire._pass)
            async with serve(app) as address:
                parts[f"{service}Endpoint"] = address + endpoint.path
                yield wire, ";".join(f"{name}={value}" for name, value in parts.items())

    async def _pass(self, request: web.Request) -> web.Response:
        found = NAME.match(request.path)
        if found:
            self.calls["QUERY" if found[2] else request.method, found[1]] += 1
        if self.is_cut:
            return web.Response(status=503)
        body = await request.read()
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OWN - {"date"}]
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False, skip_auto_headers=SIGNED
        ) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in OWN]
            return web.Response(status=answer.status, headers=kept, body=await answer.read())
