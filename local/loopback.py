"""Serving an aiohttp application on this machine only."""

import contextlib
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[str]:
    """Serve `app` on a free port; yields its address, such as `http://127.0.0.1:40123`."""
    # A slow answer under way is cut at the end: nobody is left to read it.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    """Return a port that is free now, for a process that must come back on the same one.

    It lies below those that a system gives to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of these
    could take it while the process is away.
    """
    ports = range(20_000, 32_768)
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise OSError("no port is free")
