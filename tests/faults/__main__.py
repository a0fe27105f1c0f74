"""Lets every fault befall every edge, keeps what came of it, and writes the table of docs/reliability.md anew.

With the names of edges, and then of faults behind `--`, only these, and nothing is written.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import chain

from local.install_azurite import install
from tests.faults import table
from tests.faults.cells import Outcome, ended_well, run
from tests.faults.edges import EDGES
from tests.faults.faults import FAULTS
from tests.faults.proxy import Fault
from tests.faults.world import started

STACKS = 4  # side by side


async def lane(edge: str, faults: Sequence[Fault], turn: asyncio.Semaphore) -> list[Outcome]:
    """All faults of an edge, one after the other, in a stack of its own."""
    outcomes = []
    async with turn, started() as world:
        for fault in faults:
            outcome = await run(world, edge, fault)
            say(f"{edge:9} {fault.name:22} {outcome.told}")
            outcomes.append(outcome)
        for trouble in await ended_well(world, outcomes):
            say(f"{edge:9} {trouble}")
            sys.exit(1)
    return outcomes


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run, keep and write."""
    edges, _, names = " ".join(sys.argv[1:]).partition(" -- ")
    wanted = edges.split() or EDGES
    faults = [fault for fault in FAULTS if not names or fault.name in names.split(",")]
    turn = asyncio.Semaphore(STACKS)
    install()
    found = await asyncio.gather(*(lane(edge, faults, turn) for edge in wanted))
    outcomes = list(chain(*found))
    if wanted is EDGES and not names:
        table.keep(outcomes)
        table.write(outcomes)
    say(table.summary(outcomes))


if __name__ == "__main__":
    asyncio.run(main())
