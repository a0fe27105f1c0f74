"""Looking on while the stack works: every event and every call is shown as it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.demo.screen import Screen
from local.stack import Stack

_GLANCE = 0.1  # seconds


@asynccontextmanager
async def shown(stack: Stack, screen: Screen, *, timeout: float) -> AsyncIterator[None]:  # noqa: ASYNC109 - the bridge's, for a call
    """Show events and calls within the block."""
    async with asyncio.TaskGroup() as tasks:
        looking = [tasks.create_task(_events(stack, screen)), tasks.create_task(_calls(stack, screen, timeout))]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()


async def _events(stack: Stack, screen: Screen) -> None:
    shown = len(stack.topic.published)
    while True:
        await asyncio.sleep(_GLANCE)
        for event in stack.topic.published[shown:]:
            screen.event(event)
            shown += 1


async def _calls(stack: Stack, screen: Screen, timeout: float) -> None:  # noqa: ASYNC109 - the same
    with stack.flows.watch() as calls:
        while True:
            screen.call(await calls.get(), timeout=timeout)
