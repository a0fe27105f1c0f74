"""What the catalog costs on top of Customer Insights' own time, and how much memory many rows take.

The bounds leave room for a busy machine; the figures are printed (`pytest -s`).
"""

import json
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.tenant.api import KEY_HEADER
from local.tenant.tables import STRING
from tests.integration.conftest import KEY, TOKEN, World, now

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.alone]

ROWS = 100_000
HEADERS = {"Authorization": f"Bearer {TOKEN}", KEY_HEADER: KEY}


async def direct(session: aiohttp.ClientSession, world: World, path: str) -> None:
    """Ask the API itself, as the bridge does."""
    async with session.get(f"{world.stack.tenant_url}/v1{path}", headers=HEADERS) as answer:
        assert answer.status == 200
        await answer.read()


async def milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await call()
    return (time.monotonic() - began) * 1_000


async def both(world: World, path: str, own: str, times: int) -> tuple[float, float]:
    """The median milliseconds of a call, and of what the API itself takes for it, turn by turn."""
    async with aiohttp.ClientSession() as session:

        async def through() -> None:
            assert (await world.stack.call("GET", path)).status == 200

        await direct(session, world, own)
        await through()
        pairs = [
            (await milliseconds(through), await milliseconds(lambda: direct(session, world, own))) for _ in range(times)
        ]
    whole, part = (statistics.median(each) for each in zip(*pairs, strict=True))
    return whole, part


async def test_a_call_adds_little_to_the_apis_own_time(world: World) -> None:
    instance = world.instance()
    segments = f"/instances/{instance.id}/segments"
    whole, own = await both(world, segments, f"/instances/{instance.id}/manage/segments", 60)
    say(f"a catalog call: {own:.1f} ms of the API's own, {whole - own:.1f} ms added")
    assert whole - own < 45


async def test_a_pick_list_of_a_thousand_segments_is_there_at_once(world: World) -> None:
    instance = world.instance()
    for number in range(999):
        instance.add_segment(f"Segment_{number}", number, now())
    world.api.faults.add("/manage/segments", times=100, delay=0.05)
    path = f"/instances/{instance.id}"
    answer = await world.stack.call("GET", f"{path}/segments")
    assert len(answer.json()["value"]) == 1_000
    whole, own = await both(world, f"{path}/segments", f"{path}/manage/segments", 9)
    # What the simulated API takes beyond its 50 ms is no part of the figure.
    say(f"1,000 segments: {whole - own + 50:.0f} ms over an API that takes 50 ms ({whole:.0f} over {own:.0f} ms)")
    assert whole - own + 50 < 600


def say(figures: str) -> None:
    """Show what was measured (`pytest -s`)."""
    print(f"\n{figures}")  # noqa: T201 - for people


def forget_peak(process: int) -> None:
    """Let the highest mark of a process's memory start anew."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def memory(process: int, field: str) -> int:
    """Kilobytes that a process holds (VmRSS), or has held at most (VmHWM)."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is told by Linux only")
async def test_a_hundred_thousand_rows_take_a_small_multiple_of_their_text(world: World) -> None:
    instance = world.instance()
    rows: list[dict[str, Any]] = [{"Id": f"C-{number:07}", "Note": "x" * 80} for number in range(ROWS)]
    instance.add_table("Many", {"Id": STRING, "Note": STRING}, rows)
    limit, world.api.data.page_limit = world.api.data.page_limit, 1_000
    process = world.stack.host.pid
    path = f"/instances/{instance.id}/tables/Many/items?top="
    try:
        await world.stack.call("GET", f"{path}1000")
        forget_peak(process)
        before = memory(process, "VmRSS")
        began = time.monotonic()
        answer = await world.stack.call("GET", f"{path}{ROWS}")
        took = time.monotonic() - began
    finally:
        world.api.data.page_limit = limit
    assert len(json.loads(answer.body)["value"]) == ROWS
    size, grown = len(answer.body) / 1024, memory(process, "VmHWM") - before
    say(f"{ROWS:,} rows: {size / 1024:.1f} MB of text, {grown / 1024:.1f} MB of memory, {took:.1f} s")
    assert grown < 5 * size
