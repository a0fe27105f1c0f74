"""The stack of the integration tests, whose host hides a message in work for as long as Azure's does."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.conftest import World, started, world

__all__ = ["running", "world"]

HIDDEN = 600  # seconds


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running() -> AsyncIterator[World]:
    async with started(HIDDEN) as world:
        yield world
