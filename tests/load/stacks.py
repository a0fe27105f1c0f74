"""A stack of its own for each measurement, whose host hides a message in work for as long as Azure's does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.integration.conftest import World, started

HIDDEN = 600  # seconds
# Azurite's collector of garbage runs so often from its start on, in seconds, and stands still when much was removed.
SWEPT_EVERY = 60.0
SWEPT_BY = 4.0


@asynccontextmanager
async def fresh(**settings: str) -> AsyncIterator[tuple[World, Callable[[], Awaitable[None]]]]:
    """A new stack with one host; what comes with it waits for the beginning of a minute without the collector."""
    began = time.monotonic()

    async def swept() -> None:
        passed = (time.monotonic() - began) % SWEPT_EVERY
        await asyncio.sleep((SWEPT_BY - passed) % SWEPT_EVERY)

    async with started(HIDDEN) as world:
        await world.stack.start_host(**settings)
        yield world, swept
