"""A world for faults: a stack behind proxies, an instance whose edges are struck, and one beside it that is well."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local.flows import Call
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.api import TenantApi
from local.tenant.model import Instance, Tenant
from shared.domain.events.envelope import Event
from tests.faults.edges import Edges, before
from tests.leaks import Secrets
from tests.storage import Storage

TRIGGER = "data-source-refresh-failed"
STRUCK, WELL = "struck", "well"
EVERY_THREE_SECONDS = "*/3 * * * * *"
# Seconds for which the host hides a message that it hands out; Azure's does so for ten minutes.
VISIBILITY = 30
SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": EVERY_THREE_SECONDS,
    "POLL_THRESHOLDS_SCHEDULE": "0 0 0 1 1 *",
    "DELIVERY_RETRY_SECONDS": "1,2,2,2",
    "CALLBACK_TIMEOUT_SECONDS": "8",
}
_FAILED = re.compile(r"\b(\w+) failed after \d+ ms: ")
# Two refreshes that ended within one second would be told apart by their jobs alone.
_APART = 1.1
_SAME = timedelta(milliseconds=10)


@dataclass
class World:
    """What a cell of the table runs in."""

    stack: Stack
    edges: Edges
    lines: list[str]
    instances: Mapping[str, Instance]
    subscriptions: Mapping[str, str]
    storage: Storage
    secrets: Secrets
    visibility: int
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
        await self.storage.queues.get_queue_client("events").send_message(event.encode())

    def taken(self, who: str, times: Collection[datetime]) -> Sequence[Call]:
        """The calls of events of these times that a flow has taken."""
        calls = [call for call in self.stack.flows.of(who) if call.accepted]
        return [call for call in calls if any(abs(_time(call.event) - time) < _SAME for time in times)]

    async def heard(self, who: str, times: Collection[datetime], *, within: float) -> bool:
        """Whether a flow hears of what happened at these times soon enough, in seconds."""
        deadline = time.monotonic() + within
        while len({call.event["id"] for call in self.taken(who, times)}) < len(times):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def failures(self, since: int) -> Mapping[str, int]:
        """The functions that have failed since that line of the log, and how often."""
        return Counter(match[1] for line in self.lines[since:] if (match := _FAILED.search(line)))

    def told(self) -> set[str]:
        """The secrets that the host's log has told."""
        return self.secrets.found_in("\n".join(self.lines))

    async def stored(self) -> set[str]:
        """The secrets that stand in the storage, or went to the topic."""
        return self.secrets.found_in(json.dumps(self.stack.topic.published) + await self.storage.text())

    async def deliveries(self, who: str, times: Collection[datetime]) -> Sequence[Mapping[str, Any]]:
        """What the bridge's log has of the deliveries of these times' events to a flow."""
        answer = await self.stack.call("GET", f"/subscriptions/{self.subscriptions[who]}/deliveries")
        ids = {call.event["id"] for call in self.taken(who, times)}
        return [each for each in answer.json()["value"] if each["eventId"] in ids]

    async def settled(self, who: str, times: Collection[datetime], *, within: float) -> None:
        """Wait until the bridge, too, knows that a flow has taken the events of these times."""
        async with asyncio.timeout(within):
            while not await self._has_delivered(who, times):  # noqa: ASYNC110 - it tells when it is asked
                await asyncio.sleep(0.1)

    async def _has_delivered(self, who: str, times: Collection[datetime]) -> bool:
        return [each["stage"] for each in await self.deliveries(who, times)] == ["delivered"] * len(times)


@asynccontextmanager
async def started(visibility: int = VISIBILITY, **settings: str) -> AsyncIterator[World]:
    """A world in which everything is well; `settings` are the app's."""
    access, lines = Access(), list[str]()
    tenant = Tenant()
    instances = {who: _instance(tenant, who) for who in (STRUCK, WELL)}
    app = TenantApi(tenant, token=access.token, key=access.key).app()
    listed = ",".join(instance.id for instance in instances.values())
    made = access.settings | SETTINGS | {"CUSTOMER_INSIGHTS_INSTANCES": listed}
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        stack = await opened.enter_async_context(
            Stack(PROJECT, tenant=app, settings=made, on_line=lines.append, visibility=visibility)
        )
        edges = await opened.enter_async_context(before(stack, access.token, folder))
        storage = await opened.enter_async_context(Storage.opened(stack.settings["AzureWebJobsStorage"]))
        await stack.start_host(**edges.settings | settings)
        subscriptions = {}
        for who, url in {STRUCK: edges.callback(stack, STRUCK), WELL: stack.flows.url(WELL)}.items():
            body = {"callbackUrl": url, "instanceId": instances[who].id}
            answer = await stack.call("POST", f"/triggers/{TRIGGER}/subscriptions", body)
            if answer.status != 201:
                raise RuntimeError(answer.body.decode() + "\n".join(lines[-20:]))
            subscriptions[who] = str(answer.json()["id"])
        hidden = Secrets()
        hidden.keep_settings(stack.settings)
        hidden.keep("the client secret", edges.secret)
        for who in (STRUCK, WELL):
            hidden.keep(f"the signature of {who}", stack.flows.url(who).rpartition("sig=")[2])
        world = World(stack, edges, lines, instances, subscriptions, storage, hidden, visibility)
        for who in (STRUCK, WELL):
            await _begun(world, who)
        yield world


def _time(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


async def _begun(world: World, who: str) -> None:
    """Wait for the baseline and a first event: what happens before the first poll is no news."""
    for _ in range(4):
        at = await world.fail(who)
        if await world.heard(who, [at], within=30):
            await asyncio.sleep(2)
            return
    raise RuntimeError("nothing is heard of:\n" + "\n".join(world.lines[-60:]))


def _instance(tenant: Tenant, who: str) -> Instance:
    before = datetime.now(UTC) - timedelta(hours=2)
    made = tenant.add_instance(who, before - timedelta(days=30))
    for name in ("Sales", "Web"):
        made.add_data_source(name, before)
    return made
