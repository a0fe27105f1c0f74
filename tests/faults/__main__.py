"""Lets every fault befall every edge, or those that are named, and writes the table of docs/reliability.md anew.

Where something is not as promised it is shown, nothing is written, and the exit code is 1.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import product

from local.install_azurite import install
from tests.faults import table
from tests.faults.cells import Outcome, ended_well, run
from tests.faults.edges import EDGES
from tests.faults.faults import FAULTS
from tests.faults.promise import broken
from tests.faults.proxy import Fault
from tests.faults.world import started

STACKS = 3  # side by side


@dataclass
class Run:
    """The cells that are left, what came of the others, and what was wrong."""

    cells: Iterator[tuple[Fault, str]]
    door: asyncio.Lock = field(default_factory=asyncio.Lock)
    outcomes: list[Outcome] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    async def work(self) -> None:
        """Take cells for as long as there are any, in a stack of its own; one stack starts at a time."""
        outcomes = []
        async with AsyncExitStack() as opened:
            async with self.door:
                world = await opened.enter_async_context(started())
            for fault, edge in self.cells:
                outcomes.append(await run(world, edge, fault))
                say(f"{edge:9} {fault.name:22} {outcomes[-1].told}")
            self.troubles += await ended_well(world, outcomes)
        self.outcomes += outcomes


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def end(outcomes: Sequence[Outcome], troubles: Sequence[str]) -> int:
    """Keep and write what came of a run that was as promised; 1 where it was not."""
    if wrong := [*(what for each in outcomes for what in broken(each)), *troubles]:
        say("\n".join(["Not as promised, and not written:", *wrong]))
        return 1
    table.keep(outcomes)
    table.write(table.kept())
    say(table.summary(table.kept()))
    return 0


async def main() -> int:
    """Run, judge, and write."""
    install()
    whole = Run(product(FAULTS, sys.argv[1:] or EDGES))
    async with asyncio.TaskGroup() as workers:
        for _ in range(STACKS):
            workers.create_task(whole.work())
    return end(whole.outcomes, whole.troubles)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
