"""Play the day: start the stack, subscribe the flows, let things happen, settle the account. 0 when it is right."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import groupby
from typing import Any

from local.command import run
from local.demo.accounting import Expected, Seen, account, expect, is_settled
from local.demo.flows import CALLBACK_TIMEOUT, DemoFlow, demo_flows
from local.demo.observing import shown
from local.demo.screen import Screen
from local.flows import Healthy
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.life import Step, a_day, contoso
from local.tenant.life.outage import TOLD_AFTER

FAMILIES = 4  # that are polled: jobs, data sources, segments, measures
BASELINE_WITHIN = 30.0  # seconds
HELD_WITHIN = 5.0  # seconds
SETTLED_WITHIN = 20.0  # seconds
QUIET = 2.0  # seconds in which a delivery too many would show
SUBSCRIBED = {HTTPStatus.OK, HTTPStatus.CREATED}  # again, or for the first time
MOST = 500  # in one page of a list; a day makes fewer
KEPT_COMPLAINTS = 15

SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": "* * * * * *",
    "POLL_THRESHOLDS_SCHEDULE": "* * * * * *",
    "POLLING_FAILED_AFTER_SECONDS": str(TOLD_AFTER),
    "CALLBACK_TIMEOUT_SECONDS": str(CALLBACK_TIMEOUT),
    "DELIVERY_RETRY_SECONDS": "1,1,2,2,4",
}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(slots=True)
class Day:
    """A day under way: its stack and its flows, the names of these by subscription id, and what was held for them."""

    stack: Stack
    screen: Screen
    instance_id: str
    flows: Sequence[DemoFlow]
    names: dict[str, str] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)


async def play(screen: Screen) -> int:
    """Play the day and settle its account; 1 when it is wrong."""
    tenant = contoso(datetime.now(UTC))
    flows, steps, access = demo_flows(tenant), a_day(tenant), Access()
    expected = expect(steps, flows)
    screen.happening("bridge", "Azurite, the Functions host and a simulated Customer Insights start.")
    async with Stack(app=PROJECT, tenant=access.app(tenant.tenant), settings=access.settings | SETTINGS) as stack:
        await stack.start_host()
        day = Day(stack, screen, tenant.instance.id, flows)
        try:
            await _until(lambda: _has_baseline(stack), within=BASELINE_WITHIN, what="the first polls")
            screen.happening("bridge", "The first polls are done: what happens from now on is news.")
            for flow in flows:
                stack.flows.behave(flow.name, flow.behaviour)
                await _subscribe(day, flow)
            screen.happening("bridge", f"{len(day.names)} flows have subscribed.")
            async with shown(stack, screen, timeout=CALLBACK_TIMEOUT):
                await _live_through(steps, day, expected)
                screen.happening("bridge", "The day is over; what is under way comes to its end.")
                seen = await _settle(day, expected)
        except DemoError as error:
            screen.say(str(error), style="red")
            _complain(stack, screen)
            return 1
        rows = account(expected, seen)
        screen.account(rows)
        if all(row.is_right for row in rows):
            screen.happening("bridge", "Nothing was lost, and nothing came twice.", style="bold green")
            return 0
        _complain(stack, screen)
        return 1


async def _subscribe(day: Day, flow: DemoFlow) -> None:
    """Subscribe a flow over the app's HTTP API, as its platform does each time it is turned on."""
    body = flow.body(day.stack.flows.url(flow.name), day.instance_id)
    answer = await day.stack.call("POST", f"/triggers/{flow.slug}/subscriptions", body)
    if answer.status not in SUBSCRIBED:
        raise DemoError(f"{flow.name} could not subscribe: {answer.status} {answer.body.decode()}")
    day.names[answer.json()["id"]] = flow.name


async def _live_through(steps: Sequence[Step], day: Day, expected: Expected) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for part, its_steps in groupby(steps, lambda step: step.part):
        for flow in day.flows:
            if flow.on_in == part:
                await _turn_on(day, flow, expected.held[flow.name].total())
        for step in its_steps:
            await asyncio.sleep(start + step.offset - loop.time())
            step.action(datetime.now(UTC))
            day.screen.happening("tenant", step.sentence)


async def _turn_on(day: Day, flow: DemoFlow, count: int) -> None:
    """Turn a flow on once as many events wait for it as should."""

    async def waiting() -> bool:
        await _note_held(day)
        return sum(name == flow.name for name, _ in day.held) >= count

    with contextlib.suppress(DemoError):
        await _until(waiting, within=HELD_WITHIN, what="what is held")
    found = sum(name == flow.name for name, _ in day.held)
    day.screen.happening("bridge", f"{flow.name} is turned on, and subscribes again; {found} events wait for it.")
    day.stack.flows.behave(flow.name, Healthy())
    await _subscribe(day, flow)


async def _settle(day: Day, expected: Expected) -> Seen:
    """Wait until all is done or time is up, and a little longer for what must not come."""

    async def settled() -> bool:
        return is_settled(expected, await _look(day))

    with contextlib.suppress(DemoError):
        await _until(settled, within=SETTLED_WITHIN, what="the deliveries")
    await asyncio.sleep(QUIET)
    return await _look(day)


async def _look(day: Day) -> Seen:
    await _note_held(day)
    suspended = [day.names[each["id"]] for each in await _list(day.stack, "/subscriptions?status=suspended")]
    letters = await _list(day.stack, f"/dead-letters?limit={MOST}")
    dead = [(day.names.get(each["subscriptionId"], "nobody"), each["eventId"]) for each in letters]
    calls = tuple(day.stack.flows.calls)
    return Seen(tuple(day.stack.topic.published), calls, frozenset(suspended), frozenset(day.held), dead)


async def _note_held(day: Day) -> None:
    """Remember what is held for flows that are off."""
    for each in await _list(day.stack, "/subscriptions?status=suspended"):
        path = f"/subscriptions/{each['id']}/deliveries?stage=held&limit={MOST}"
        day.held |= {(day.names[each["id"]], delivery["eventId"]) for delivery in await _list(day.stack, path)}


async def _list(stack: Stack, path: str) -> list[Any]:
    """What a list of the API shows. Raises `DemoError`."""
    answer = await stack.call("GET", path)
    if answer.status != HTTPStatus.OK:
        raise DemoError(f"GET {path}: {answer.status} {answer.body.decode()}")
    return list(answer.json()["value"])


async def _has_baseline(stack: Stack) -> bool:
    status = (await stack.call("GET", "/status")).json()
    families = [family for instance in status["instances"] for family in instance["families"]]
    return sum("lastSuccessAt" in family for family in families) >= FAMILIES


async def _until(done: Callable[[], Awaitable[bool]], *, within: float, what: str) -> None:
    """Wait until something is done. Raises `DemoError`."""
    try:
        async with asyncio.timeout(within):
            while not await done():  # noqa: ASYNC110 - what is awaited happens in other processes
                await asyncio.sleep(0.25)
    except TimeoutError:
        raise DemoError(f"Waited {within:g} seconds in vain for {what}.") from None


def _complain(stack: Stack, screen: Screen) -> None:
    """Show the last warnings and errors of the app."""
    complaints = [line for line in stack.host.lines if " WARNING " in line or " ERROR " in line]
    for line in complaints[-KEPT_COMPLAINTS:]:
        screen.say(line, style="dim")


def main() -> int:
    """Play it; 130 when stopped by Ctrl-C."""
    return run(play(Screen()))


if __name__ == "__main__":
    sys.exit(main())
