"""A world for faults: a stack behind proxies, an instance whose edges are struck, and one beside it that is well."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from azure.storage.queue.aio import QueueClient

from local.flows import Call
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.api import TenantApi
from local.tenant.model import Instance, Tenant
from shared.domain.events.envelope import Event
from tests.faults.edges import Edges, before

TRIGGER = "data-source-refresh-failed"
STRUCK, WELL = "struck", "well"
EVERY_THREE_SECONDS = "*/3 * * * * *"
API_VERSION = "2025-11-05"
# Seconds for which the host hides a message that it hands out; Azure's does so for ten minutes.
VISIBILITY = 30
SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": EVERY_THREE_SECONDS,
    "POLL_THRESHOLDS_SCHEDULE": "0 0 0 1 1 *",
    "DELIVERY_RETRY_SECONDS": "1,2,2,2",
    "CALLBACK_TIMEOUT_SECONDS": "2",
}
_FAILED = re.compile(r"\b(\w+) failed after \d+ ms: (.*)")
# Two refreshes that ended within one second would be told apart by their jobs alone.
_APART = 1.1


@dataclass
class World:
    """What a cell of the table runs in."""

    stack: Stack
    edges: Edges
    lines: list[str]
    instances: Mapping[str, Instance]
    subscriptions: Mapping[str, str]
    secrets: Sequence[str]
    _events: QueueClient
    _last: float = field(default=0.0)

    async def fail(self, who: str) -> datetime:
        """Let a refresh fail, and so an event happen; gives its time."""
        await asyncio.sleep(max(0.0, self._last + _APART - time.monotonic()))
        self._last = time.monotonic()
        instance, at = self.instances[who], datetime.now(UTC)
        instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=at, took=timedelta(milliseconds=100))
        return at

    async def enqueue(self, event: Event) -> None:
        """Put an event into the queue as Event Grid does."""
        await self._events.send_message(event.encode())

    def taken(self, who: str, since: int = 0) -> Sequence[Call]:
        """The calls that a flow has taken, but for the first ones."""
        return [call for call in self.stack.flows.of(who) if call.accepted][since:]

    async def heard(self, who: str, ids: int, *, since: int, within: float) -> bool:
        """Whether a flow has heard of so many events in time."""
        deadline = time.monotonic() + within
        while len({call.event["id"] for call in self.taken(who, since)}) < ids:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def failures(self, since: int) -> Mapping[str, tuple[int, str]]:
        """The functions that have failed since that line of the log: how often, and what the first said."""
        found = [match for line in self.lines[since:] if (match := _FAILED.search(line))]
        counts = Counter(match[1] for match in found)
        return {name: (count, next(match[2] for match in found if match[1] == name)) for name, count in counts.items()}

    def told(self) -> Sequence[str]:
        """The secrets that the host's log has told."""
        return [secret for secret in self.secrets if any(secret in line for line in self.lines)]

    async def attempts(self, who: str, ids: Collection[str]) -> int:
        """The most attempts that one of these deliveries has taken, as the bridge has it in its log."""
        answer = await self.stack.call("GET", f"/subscriptions/{self.subscriptions[who]}/deliveries")
        return max((each["attempts"] for each in answer.json()["value"] if each["eventId"] in ids), default=0)


@asynccontextmanager
async def started(**settings: str) -> AsyncIterator[World]:
    """A world in which everything is well; `settings` are the app's."""
    access, lines = Access(), list[str]()
    tenant = Tenant()
    instances = {who: _instance(tenant, who) for who in (STRUCK, WELL)}
    app = TenantApi(tenant, token=access.token, key=access.key).app()
    made = access.settings | SETTINGS
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        stack = await opened.enter_async_context(
            Stack(PROJECT, tenant=app, settings=made, on_line=lines.append, visibility=VISIBILITY)
        )
        edges = await opened.enter_async_context(before(stack, access.token, folder))
        storage = stack.settings["AzureWebJobsStorage"]
        events = await opened.enter_async_context(
            QueueClient.from_connection_string(storage, "events", api_version=API_VERSION)
        )
        await stack.start_host(**edges.settings, **settings)
        subscriptions = {}
        for who, url in {STRUCK: edges.callback(stack, STRUCK), WELL: stack.flows.url(WELL)}.items():
            body = {"callbackUrl": url, "instanceId": instances[who].id}
            answer = await stack.call("POST", f"/triggers/{TRIGGER}/subscriptions", body)
            if answer.status != 201:
                raise RuntimeError(answer.body.decode() + "\n".join(lines[-20:]))
            subscriptions[who] = str(answer.json()["id"])
        hidden = [access.token, access.key, edges.secret, stack.settings["EVENT_GRID_TOPIC_KEY"]]
        hidden += [
            stack.settings["FUNCTIONS_KEY"],
            stack.settings["CALLBACK_ENCRYPTION_KEY"],
            re.search("AccountKey=([^;]+)", storage)[1],
        ]  # type: ignore[index]
        hidden += [stack.flows.url(who).rsplit("sig=", 1)[1] for who in (STRUCK, WELL)]
        world = World(stack, edges, lines, instances, subscriptions, hidden, events)
        for who in (STRUCK, WELL):
            await _begun(world, who)
        yield world


async def _begun(world: World, who: str) -> None:
    """Wait for the baseline and a first event: what happens before the first poll is no news."""
    for _ in range(20):
        await world.fail(who)
        if await world.heard(who, 1, since=0, within=3):
            await asyncio.sleep(2)
            return
    raise RuntimeError("nothing is heard of:\n" + "\n".join(world.lines[-60:]))


def _instance(tenant: Tenant, who: str) -> Instance:
    before = datetime.now(UTC) - timedelta(hours=2)
    made = tenant.add_instance(who, before - timedelta(days=30))
    for name in ("Sales", "Web"):
        made.add_data_source(name, before)
    return made
