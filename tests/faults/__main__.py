"""Lets every fault befall every edge, or those that are named, and writes the table of docs/reliability.md anew."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import product

from local.install_azurite import install
from tests.faults import table
from tests.faults.cells import ended_well, run
from tests.faults.edges import EDGES
from tests.faults.faults import FAULTS
from tests.faults.proxy import Fault
from tests.faults.world import started

STACKS = 3  # side by side

type Cells = Iterator[tuple[Fault, str]]


async def work(cells: Cells, door: asyncio.Lock) -> None:
    """Take cells for as long as there are any, in a stack of its own; one stack starts at a time."""
    outcomes = []
    async with AsyncExitStack() as opened:
        async with door:
            world = await opened.enter_async_context(started())
        for fault, edge in cells:
            outcomes.append(await run(world, edge, fault))
            say(f"{edge:9} {fault.name:22} {outcomes[-1].told}")
            table.keep(outcomes[-1:])
        if troubles := await ended_well(world, outcomes):
            raise AssertionError("; ".join(troubles))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run, keep and write."""
    install()
    cells, door = product(FAULTS, sys.argv[1:] or EDGES), asyncio.Lock()
    async with asyncio.TaskGroup() as workers:
        for _ in range(STACKS):
            workers.create_task(work(cells, door))
    table.write(table.kept())
    say(table.summary(table.kept()))


if __name__ == "__main__":
    asyncio.run(main())
