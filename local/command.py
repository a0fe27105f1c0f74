"""Running a command of the local stack: stopped in good order by Ctrl-C or SIGTERM, its failures told in one line."""

import asyncio
import signal
import sys
from collections.abc import Coroutine

from local.child import ChildError
from local.node import NodeMissingError

STOPPED = 130


def run(work: Coroutine[object, object, int]) -> int:
    """Run to the end and return the exit code."""
    try:
        return asyncio.run(_stoppable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("Stopped.")  # noqa: T201 - a command talks to its user
        return STOPPED
    except (ChildError, NodeMissingError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the same
        return 1


async def _stoppable(work: Coroutine[object, object, int]) -> int:
    task = asyncio.current_task()
    if task and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
