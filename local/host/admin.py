"""The host's own routes under /admin, a small part of what Azure's host has there.

GET  /admin/host/ping          200 once every function is served; needs no key
GET  /admin/host/status        state and uptime
POST /admin/functions/{name}   run a timer at once: 202; with ?wait=true (not in Azure) 200 or 500 when it has ended
"""

import asyncio
import time
from collections.abc import Mapping

from aiohttp import web

from local.host.keys import opens
from local.host.timers import Timer


class Admin:
    """Answers the admin routes."""

    def __init__(self, timers: Mapping[str, Timer], *, key: str) -> None:
        self._timers = timers
        self._key = key
        self._started = time.monotonic()
        self._runs: set[asyncio.Task[object]] = set()

    def add_to(self, app: web.Application) -> None:
        """Serve the admin routes in `app`."""
        app.router.add_get("/admin/host/ping", self._ping)
        app.router.add_get("/admin/host/status", self._status)
        app.router.add_post("/admin/functions/{name}", self._run)

    async def finish(self) -> None:
        """Wait for the timers that were started here."""
        await asyncio.gather(*self._runs)

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _status(self, request: web.Request) -> web.Response:
        if not opens(request, self._key):
            return web.Response(status=401)
        uptime = int((time.monotonic() - self._started) * 1000)
        return web.json_response({"id": "local", "state": "Running", "version": "local.host", "processUptime": uptime})

    async def _run(self, request: web.Request) -> web.Response:
        if not opens(request, self._key):
            return web.Response(status=401)
        timer = self._timers.get(request.match_info["name"])
        if timer is None:
            return web.Response(status=404, text="There is no timer of this name.")
        run = asyncio.create_task(timer.fire())
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        if request.query.get("wait") != "true":
            return web.Response(status=202)
        outcome = await asyncio.shield(run)
        return web.Response(status=200 if outcome.succeeded else 500)
