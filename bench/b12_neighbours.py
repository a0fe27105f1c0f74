"""B12: does a flow that is slow delay the others? A healthy one's first attempts, while thousands wait for another.

In the local stack: 4,000 deliveries wait for a flow that takes 1.5 s for each, and it is called as often as it may be,
while events for a healthy flow come one by one. The limit is the healthy flow alone: the slow one is paused meanwhile.

What waits is written into the table at the start, as the bridge writes it, and stands in no queue: so Azurite's garbage
collector, which stands still after some thousand messages, sees no more than some dozens a turn.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from statistics import median
from typing import Final

from azure.storage.queue.aio import QueueClient

from bench.benchmark import Bar, Benchmark, Count, Sides, Took
from bench.delivering import each, events, now
from local.flows import Slow
from local.install_azurite import install
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.model import Tenant
from shared.adapters.delivery_rows import line_steps, record_row
from shared.adapters.delivery_table import DELIVERIES
from shared.adapters.queues import EVENTS
from shared.adapters.storage import API_VERSION, Account
from shared.adapters.tables import MAX_BATCH, Table, insertion
from shared.domain.deliveries import Delivery, New
from shared.domain.events.envelope import Event

_WAITING: Final = 4_000
_MORE: Final = 300  # are let out during the turns
_SECONDS: Final = 1.5  # that the slow flow takes
_EVENTS: Final = 20
_SHORT: Final = 2
_PAUSE: Final = 0.2  # seconds between two events
_WITHIN: Final = 60.0  # seconds
_NEVER: Final = "0 0 0 1 1 *"
_AT_ONCE: Final = 4


@dataclass(slots=True)
class _Neighbours:
    """A slow flow with a backlog and a healthy one, both subscribed."""

    stack: Stack
    queue: QueueClient
    slow_id: str
    left: list[Event]  # for the healthy one

    async def beside_slow(self, count: int) -> Took:
        """Events for the healthy flow while the slow one is called."""
        before = len(self.stack.flows.of("slow"))
        await change(self.stack, self.slow_id, "active")
        try:
            await self.stack.flows.wait_until(lambda _: len(self.stack.flows.of("slow")) > before, within=_WITHIN)
            return await self.alone(count)
        finally:
            await change(self.stack, self.slow_id, "paused")
            await asyncio.sleep(2 * _SECONDS)  # what is under way ends

    async def alone(self, count: int) -> Took:
        """Events for the healthy flow."""
        sent, flows = dict[str, datetime](), self.stack.flows
        before = len(flows.of("healthy"))
        for _ in range(count):
            event = self.left.pop()
            sent[event.id] = now()
            await self.queue.send_message(event.encode())
            await asyncio.sleep(_PAUSE)
        await flows.wait_until(lambda _: len(flows.of("healthy")) >= before + count, within=_WITHIN)
        calls = flows.of("healthy")[before:]
        seconds = sorted((call.at - sent[call.event["id"]]).total_seconds() for call in calls)
        return Took({"p50": median(seconds), "slowest": seconds[-1]}, {"calls": Count(len(calls), count)})


async def subscribe(stack: Stack, flow: str, instance_id: str) -> str:
    """Subscribe a flow to the failures of an instance; gives the subscription's id."""
    body = {"callbackUrl": stack.flows.url(flow), "instanceId": instance_id}
    answer = await stack.call("POST", "/triggers/data-source-refresh-failed/subscriptions", body)
    return str(answer.json()["id"])


async def change(stack: Stack, subscription_id: str, status: str) -> None:
    """Pause a subscription, or have it take events again."""
    answer = await stack.call("PATCH", f"/subscriptions/{subscription_id}", {"status": status})
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise RuntimeError(answer.body.decode())


async def hold(connection: str, subscription_id: str, held: Sequence[Event]) -> None:
    """Have these events wait in a subscription's backlog."""
    table = Table(Account(connection), DELIVERIES)

    async def write(some: Sequence[Event]) -> None:
        deliveries = [Delivery.held(New(subscription_id, event, now()), now()) for event in some]
        steps = ((insertion(record_row(delivery)), *line_steps(None, delivery)) for delivery in deliveries)
        await table.transact(*(step for of_one in steps for step in of_one))

    await each(write, batched(held, MAX_BATCH // 2, strict=False), _AT_ONCE)
    await table.close()


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    install()
    tenant, access = Tenant(), Access()
    slow, healthy = (tenant.add_instance(name, datetime.now(UTC) - timedelta(days=1)) for name in ("Slow", "Healthy"))
    settings = {
        **access.settings,
        "POLL_REFRESHES_SCHEDULE": _NEVER,
        "POLL_THRESHOLDS_SCHEDULE": _NEVER,
        # The healthy flow has more events in a turn than most have in an hour.
        "DELIVERY_RATE_PER_SECOND": "100",
    }
    count, waiting = (_SHORT, 2 * MAX_BATCH) if short else (_EVENTS, _WAITING + _MORE)
    async with Stack(PROJECT, tenant=access.app(tenant), settings=settings) as stack:
        await stack.start_host()
        stack.flows.behave("slow", Slow(times=waiting, seconds=_SECONDS))
        slow_id = await subscribe(stack, "slow", slow.id)
        await subscribe(stack, "healthy", healthy.id)
        await change(stack, slow_id, "paused")
        connection = stack.settings["AzureWebJobsStorage"]
        await hold(connection, slow_id, events(waiting, slow.id))
        async with QueueClient.from_connection_string(connection, EVENTS, api_version=API_VERSION) as queue:
            neighbours = _Neighbours(stack, queue, slow_id, events(20 * _EVENTS, healthy.id))
            await neighbours.alone(1)  # the first makes tables and opens connections
            yield {"ours": lambda: neighbours.beside_slow(count), "limit": lambda: neighbours.alone(count)}


BENCHMARK = Benchmark(
    number="B12",
    title="Neighbours",
    work="a healthy flow's first attempts while 4,000 deliveries wait for a slow one",
    unit="s",
    bars=(Bar("p50 at most twice that of the healthy flow alone", "ours p50", "limit p50", most=2),),
    sides=_sides,
)
