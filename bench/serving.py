"""Serves many instances in a process of its own: `python -m bench.serving COUNT SECONDS`; so long an answer takes.

Prints its address, and goes on until it is stopped.
"""

import asyncio
import sys

from bench.answers import NIGHT, answers
from bench.served import served
from local.tenant.model import Tenant


async def main(count: int, seconds: float) -> None:
    """Serve. All instances show the same: one data source, segment and measure, which are always as they were."""
    tenant = Tenant()
    for number in range(count):
        instance = tenant.add_instance(f"Instance {number}", NIGHT)
    instance.add_data_source("Shop", NIGHT)
    instance.add_segment("Buyers", 10, NIGHT)
    instance.add_measure("Sales", 10, NIGHT)
    async with served(answers(instance).by_path(tenant), delay=seconds) as address:
        sys.stdout.write(f"serving at {address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
