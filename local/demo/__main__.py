"""Play the day: start the stack, subscribe the flows, let things happen, settle the account. 0 when it is right."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import ContainerClient

from local.command import run
from local.demo.accounting import Expected, Seen, account, expect, is_settled
from local.demo.flows import CALLBACK_TIMEOUT, DemoFlow, demo_flows
from local.demo.observing import shown
from local.demo.screen import Screen
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.life import Step, a_day, contoso

FAMILIES = 4  # checkpoints that the first polls leave: jobs, data sources, segments, measures
BASELINE_WITHIN = 30.0  # seconds
SETTLED_WITHIN = 20.0  # seconds
QUIET = 2.0  # seconds in which a delivery too many would show
CREATED = 201
KEPT_COMPLAINTS = 15

SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": "* * * * * *",
    "POLL_THRESHOLDS_SCHEDULE": "* * * * * *",
    "CALLBACK_TIMEOUT_SECONDS": str(CALLBACK_TIMEOUT),
    "DELIVERY_RETRY_SECONDS": "1,1,2,2,4",
}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


async def play(screen: Screen) -> int:
    """Play the day and settle its account; 1 when it is wrong."""
    tenant = contoso(datetime.now(UTC))
    flows, steps, access = demo_flows(tenant), a_day(tenant), Access()
    expected = expect([made for step in steps for made in step.makes], flows)
    screen.happening("bridge", "Azurite, the Functions host and a simulated Customer Insights start.")
    async with Stack(app=PROJECT, tenant=access.app(tenant.tenant), settings=access.settings | SETTINGS) as stack:
        await stack.start_host()
        try:
            await _until(lambda: _has_baseline(stack), within=BASELINE_WITHIN, what="the first polls")
            screen.happening("bridge", "The first polls are done: what happens from now on is news.")
            ids = await _subscribe(stack, flows, tenant.instance.id)
            screen.happening("bridge", f"{len(ids)} flows have subscribed.")
            async with shown(stack, screen, timeout=CALLBACK_TIMEOUT):
                await _live_through(steps, screen)
                screen.happening("bridge", "The day is over; what is under way comes to its end.")
                seen = await _settle(stack, expected, ids)
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


async def _subscribe(stack: Stack, flows: Sequence[DemoFlow], instance_id: str) -> Mapping[str, str]:
    """Subscribe the flows over the app's HTTP API; returns their names by subscription id."""
    ids: dict[str, str] = {}
    for flow in flows:
        stack.flows.behave(flow.name, flow.behaviour)
        body = flow.body(stack.flows.url(flow.name), instance_id)
        answer = await stack.call("POST", f"/triggers/{flow.slug}/subscriptions", body)
        if answer.status != CREATED:
            raise DemoError(f"{flow.name} could not subscribe: {answer.status} {answer.body.decode()}")
        ids[answer.json()["id"]] = flow.name
    return ids


async def _live_through(steps: Sequence[Step], screen: Screen) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for step in steps:
        await asyncio.sleep(start + step.offset - loop.time())
        step.action(datetime.now(UTC))
        screen.happening("tenant", step.sentence)


async def _settle(stack: Stack, expected: Expected, names: Mapping[str, str]) -> Seen:
    """Wait until all is done or time is up, and a little longer for what must not come."""

    async def settled() -> bool:
        return is_settled(expected, await _look(stack, names))

    with contextlib.suppress(DemoError):
        await _until(settled, within=SETTLED_WITHIN, what="the deliveries")
    await asyncio.sleep(QUIET)
    return await _look(stack, names)


async def _look(stack: Stack, names: Mapping[str, str]) -> Seen:
    answer = await stack.call("GET", "/subscriptions?status=suspended")
    suspended = frozenset(names.get(each["id"], each["id"]) for each in answer.json()["value"])
    letters: list[tuple[str, str]] = []
    connection = stack.settings["AzureWebJobsStorage"]
    async with TableClient.from_connection_string(connection, "deadletters") as table:
        with contextlib.suppress(ResourceNotFoundError):  # it is made for the first dead letter
            async for row in table.query_entities("PartitionKey eq 'letters'"):
                subscription = str(row.get("subscriptionId"))
                letters.append((names.get(subscription, subscription), str(row.get("eventId"))))
    return Seen(tuple(stack.topic.published), tuple(stack.flows.calls), suspended, letters)


async def _has_baseline(stack: Stack) -> bool:
    connection = stack.settings["AzureWebJobsStorage"]
    async with ContainerClient.from_connection_string(connection, "checkpoints", api_version="2025-11-05") as blobs:
        try:
            return len([name async for name in blobs.list_blob_names()]) >= FAMILIES
        except ResourceNotFoundError:
            return False


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
