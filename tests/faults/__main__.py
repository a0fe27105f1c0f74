"""Lets every fault befall every edge, or those that are named, and writes the table of docs/reliability.md anew."""

import asyncio
import sys
from contextlib import AsyncExitStack

from local.install_azurite import install
from tests.faults import table
from tests.faults.cells import ended_well, run
from tests.faults.edges import EDGES, TOKEN
from tests.faults.faults import FAULTS
from tests.faults.world import started

STACKS = 4  # side by side


async def lane(edge: str, turn: asyncio.Semaphore, door: asyncio.Lock) -> None:
    """All faults of an edge, one after the other, in a stack of its own; one stack starts at a time."""
    outcomes = []
    async with turn, AsyncExitStack() as opened:
        async with door:
            world = await opened.enter_async_context(started(entra=edge == TOKEN))
        for fault in FAULTS:
            outcomes.append(await run(world, edge, fault))
            say(f"{edge:9} {fault.name:22} {outcomes[-1].told}")
        if troubles := await ended_well(world, outcomes):
            raise AssertionError(f"{edge}: {'; '.join(troubles)}")
    table.keep(outcomes)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run, keep and write."""
    install()
    turn, door = asyncio.Semaphore(STACKS), asyncio.Lock()
    found = await asyncio.gather(*(lane(edge, turn, door) for edge in sys.argv[1:] or EDGES), return_exceptions=True)
    if failures := [error for error in found if isinstance(error, Exception)]:
        raise ExceptionGroup("not all edges could be tried", failures)
    table.write(table.kept())
    say(table.summary(table.kept()))


if __name__ == "__main__":
    asyncio.run(main())
