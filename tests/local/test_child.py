"""Child processes: their lines, their end, and that none is left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local.child import Child, ChildError

PROJECT = Path(__file__).parents[2]

PARENT = """
import asyncio
from local.child import Child

async def main():
    child = await Child.start("sleep", "60")
    print("child", child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_lines_are_heard_and_kept() -> None:
    heard: list[str] = []
    child = await Child.start("sh", "-c", "echo one; echo two >&2", on_line=heard.append)
    assert (await child.wait_for_line("t(w)o", within=5))[1] == "w"
    await child.stop()
    assert sorted(heard) == ["one", "two"]


async def test_an_end_without_the_awaited_line_is_told_at_once_with_the_last_lines() -> None:
    child = await Child.start("sh", "-c", "echo the reason; exit 3")
    with pytest.raises(ChildError, match="the reason"):
        await child.wait_for_line("ready", within=60)
    assert await child.kill() == 3


async def test_a_child_that_does_not_stop_is_killed() -> None:
    child = await Child.start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await child.wait_for_line("ready", within=5)
    assert await child.stop(within=0.2) == -signal.SIGKILL
    assert not child.is_running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_a_child_dies_with_its_parent() -> None:
    parent = await Child.start(sys.executable, "-c", PARENT, cwd=PROJECT)
    pid = int((await parent.wait_for_line(r"child (\d+)", within=10))[1])
    os.kill(pid, 0)
    await parent.kill()
    async with asyncio.timeout(5):
        while is_alive(pid):  # noqa: ASYNC110 - nothing in this process is told of that end
            await asyncio.sleep(0.02)
