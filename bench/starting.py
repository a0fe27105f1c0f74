"""Starts an app in this process and tells what that took: `python -m bench.starting ours|bare`.

Prints a JSON object: seconds of the processor since the process began, and bytes of memory, after the import of the app
and after its first answer.
"""

import asyncio
import json
import sys
import time
from http import HTTPStatus

from bench import memory


def _now() -> tuple[float, int]:
    return time.process_time(), memory.peak()


async def _ours() -> int:
    from triggers.health import health  # noqa: PLC0415 - the app has loaded it

    reply = await health()
    return int(getattr(reply, "status", 0))


async def _bare() -> int:
    from bench.bare import health  # noqa: PLC0415 - the same

    return int((await health()).status_code)


def main(app: str) -> None:
    """Import, answer, and tell."""
    if app == "ours":
        import function_app  # noqa: F401, PLC0415 - what is measured
    else:
        import bench.bare  # noqa: F401, PLC0415 - what is measured
    imported = _now()
    status = asyncio.run(_ours() if app == "ours" else _bare())
    if status != HTTPStatus.OK:
        raise RuntimeError(f"{app} answers {status}")
    names = ("import", "memory", "answer", "memory of answer")
    sys.stdout.write(json.dumps(dict(zip(names, (*imported, *_now()), strict=True))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
