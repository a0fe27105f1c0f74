"""Answers that are bytes already, served over HTTP: what it costs to make them is nobody's."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def served(bodies: Mapping[str, bytes], *, delay: float = 0) -> AsyncIterator[str]:
    """Serve each body to whoever asks for a path that ends like its name, after so many seconds; gives the address."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        body = next((body for name, body in bodies.items() if request.path.endswith(name)), None)
        return (
            web.json_response(status=404) if body is None else web.Response(body=body, content_type="application/json")
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
