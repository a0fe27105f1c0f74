"""The rate of a flow holds over all running instances together: measured over two hosts on one storage."""

import pytest

from tests.integration.conftest import DATA_SOURCE_FAILED
from tests.integration.many import (
    WINDOW,
    another_host,
    change,
    failures,
    heard,
    held,
    in_any_window,
    longest_pause,
    per_second,
    publish,
    say,
)
from tests.load.figures import keep
from tests.load.stacks import fresh

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


@pytest.mark.alone
@pytest.mark.parametrize("is_held", [False, True], ids=["a burst", "a backlog"])
async def test_the_rate_holds_over_two_hosts(*, is_held: bool) -> None:
    rate, count, flow = 10, 300, "rated"
    async with fresh(DELIVERY_RATE_PER_SECOND=str(rate)) as (world, _):
        instance = world.instance()
        made = await world.subscribe(DATA_SOURCE_FAILED, flow, instance)
        events = failures(instance, count)
        async with another_host(world, DELIVERY_RATE_PER_SECOND=str(rate)):
            if is_held:
                await change(world, made["id"], "paused")
            await publish(world, events)
            if is_held:
                await held(world, made["id"], count)
                await change(world, made["id"], "active")
            calls = await heard(world, flow, events, within=90)
            await world.settle()
    most = in_any_window(calls)
    keep(
        "hosts",
        "a backlog" if is_held else "a burst",
        {"rate": rate, "most": most / WINDOW, "whole": per_second(calls)},
    )
    say(f"rate {rate}/s over two hosts: at most {most / WINDOW:.1f}/s in 10 s, {per_second(calls):.1f}/s on the whole")
    assert len(calls) == count
    assert most <= rate * WINDOW
    assert longest_pause(calls) < 5
    if is_held:  # while a burst may have used up the shares of all instances, the rest goes slowly
        assert per_second(calls) >= 0.9 * rate
