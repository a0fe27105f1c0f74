"""Polls one instance in a process of its own and tells what that took: `python -m tests.integration.probe`.

The settings come from the environment. Prints a JSON object: kilobytes of memory above the start, after each poll.
"""

import asyncio
import json
import resource
import time

from shared.adapters import (  # noqa: F401 - not counted
    callbacks,
    checkpoint_blobs,
    event_grid,
    event_table,
    poll_table,
    subscription_table,
)
from shared.composition import compose
from shared.insights import client  # noqa: F401 - the same
from shared.settings import Settings
from shared.usecases.poll import REFRESHES, THRESHOLDS

POLLS = 3


def memory() -> int:
    """The most memory the process has held, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def main() -> None:
    """Poll, and tell."""
    bridge = compose(Settings.load())
    await bridge.check()
    start, above, seconds = memory(), [], []
    for _ in range(POLLS):
        began = time.monotonic()
        await bridge.poll(REFRESHES)
        await bridge.poll(THRESHOLDS)
        seconds.append(round(time.monotonic() - began, 2))
        above.append(memory() - start)
        print(json.dumps({"polled": len(above)}), flush=True)  # noqa: T201 - for the test
        await asyncio.to_thread(input)
    print(json.dumps({"start": start, "above": above, "seconds": seconds}), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    asyncio.run(main())
