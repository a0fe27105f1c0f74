"""One stack for all tests here: the real app in a host of its own, against real storage and a simulated tenant.

Each test has a Customer Insights instance of its own, so that none sees another's changes.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest_asyncio

from local.flows import Call
from local.install_azurite import install
from local.stack import PROJECT, Answer, Stack
from local.tenant.api import TenantApi
from local.tenant.model import Instance, Tenant
from tests.hosts import UNHURRIED
from tests.leaks import Secrets
from tests.storage import Storage

TOKEN, KEY = "canary-tenant-token", "canary-subscription-key"
NEVER = "0 0 0 1 1 *"
EVERY_SECOND = "* * * * * *"
VISIBILITY = 2  # seconds

DATA_SOURCE_FAILED = "data-source-refresh-failed"
DATA_SOURCE_SUCCEEDED = "data-source-refresh-succeeded"
SEGMENT = "segment-threshold-crossed"
MEASURE = "measure-threshold-crossed"
SYSTEM = "system-refresh-completed"
UNIFICATION = "unification-refresh-completed"
STAGE = "stage-refresh-completed"
TRIGGERS = (DATA_SOURCE_FAILED, DATA_SOURCE_SUCCEEDED, SEGMENT, MEASURE, SYSTEM, UNIFICATION)


def now() -> datetime:
    return datetime.now(UTC)


async def until(condition: Callable[[], Awaitable[Any]], within: float = 15) -> Any:  # noqa: ANN401 - what it finds
    """Wait for something true, and return it."""
    deadline = time.monotonic() + within
    while not (found := await condition()):
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)
    return found


class WatchedStack(Stack):
    """A stack that looks for secrets in each answer; `secrets` grow by those that the app gives out, each once."""

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - a stack's own
        super().__init__(*arguments, **more)
        self.secrets, self.told = Secrets(), set[str]()

    async def _request(self, method: str, address: str, body: object, *, key: bool) -> Answer:
        answer = await super()._request(method, address, body, key=key)
        text = answer.body.decode("utf-8", "replace")
        given = re.findall(r'"secret":"(whsec_[^"]+)"', text)
        location = answer.headers.get("Location", "")
        others = "\n".join(value for name, value in answer.headers.items() if name != "Location")
        for secret in given:
            text = text.replace(secret, "")
        self.told |= {f"{name}, by {method} {address}" for name in self.secrets.found_in(text + others)}
        for secret in given:
            self.secrets.keep("a signing secret", secret)
        if "/unsubscribe/" in location:
            self.secrets.keep("a token to unsubscribe", location.rpartition("/")[2].rpartition(".")[2])
        return answer


@dataclass
class World:
    """The stack, its storage seen with the plain SDKs, and the tenant."""

    stack: WatchedStack
    api: TenantApi
    lines: list[str]
    storage: Storage
    names: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]

    async def leaks(self) -> set[str]:
        """The secrets that were told until now: in an answer, in the hosts' log, to the topic, or in storage."""
        secrets = self.stack.secrets
        for name, signature in self.stack.flows._signatures.items():
            secrets.keep(f"the signature of {name}", signature)
        seen = "\n".join([*self.lines, json.dumps(self.stack.topic.published), await self.storage.text()])
        return secrets.found_in(seen) | self.stack.told

    def instance(self, idle: timedelta = timedelta(hours=2)) -> Instance:
        """An instance, `idle` for so long, with two data sources, a segment of 900 members and a measure of 900.5."""
        made = self.api.tenant.add_instance(f"instance {next(self.names)}", now() - timedelta(days=30))
        before = now() - idle
        for name in ("Sales", "Web"):
            made.add_data_source(name, before)
        made.add_segment("Big_Spenders", 900, before)
        made.add_measure("Revenue", Decimal("900.5"), before)
        return made

    async def subscribe(self, trigger: str, flow: str, instance: Instance, **filters: object) -> dict[str, Any]:
        body = {"callbackUrl": self.stack.flows.url(flow), "instanceId": instance.id, **filters}
        answer = await self.stack.call("POST", f"/triggers/{trigger}/subscriptions", body)
        assert answer.status in {200, 201}, answer.body
        return dict(answer.json())

    async def start_host(self) -> None:
        """Start the host unless it runs; what makes sure of its storage has made its container, too."""
        if not self.stack.is_host_running:
            await self.stack.start_host()
            assert (await self.stack.call("GET", "/health", key=False)).status == 200

    async def poll(self) -> bool:
        """Run both polls; true when both succeeded."""
        return await self.stack.run_timer("poll_refreshes") & await self.stack.run_timer("poll_thresholds")

    async def settle(self, within: float = 15) -> None:
        """Wait until nothing is left in the queues."""

        async def is_empty() -> bool:
            return not sum([await self._length(name) for name in ("events", "deliveries")])

        await until(is_empty, within)

    async def cycle(self) -> None:
        """Poll, and wait until all that follows from it has been done."""
        assert await self.poll()
        await self.settle()

    async def etags(self, instance: Instance) -> Mapping[str, str]:
        container = self.storage.blobs.get_container_client("checkpoints")
        return {blob.name: blob.etag async for blob in container.list_blobs(name_starts_with=instance.id)}

    async def restart(self, **settings: str) -> None:
        """Start the host anew with these settings."""
        if self.stack.is_host_running:
            await self.stack.stop_host()
        await self.stack.start_host(**settings)

    async def _length(self, queue: str) -> int:
        properties = await self.storage.queues.get_queue_client(queue).get_queue_properties()
        return int(properties.approximate_message_count or 0)


def shown(answer: Answer) -> Any:  # noqa: ANN401 - whatever JSON the app sent
    return json.loads(answer.body)


def events_of(calls: Sequence[Call]) -> list[Mapping[str, Any]]:
    return [call.event for call in calls if call.accepted]


@asynccontextmanager
async def started(visibility: int) -> AsyncIterator[World]:
    """A stack whose host hides a message for so many seconds while it works on it."""
    install()
    api = TenantApi(Tenant(), token=TOKEN, key=KEY)
    lines: list[str] = []
    settings = {
        "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": KEY,
        "CUSTOMER_INSIGHTS_ACCESS_TOKEN": TOKEN,
        "POLL_REFRESHES_SCHEDULE": NEVER,
        "POLL_THRESHOLDS_SCHEDULE": NEVER,
        "DELIVERY_RETRY_SECONDS": "1,1,2,2",
        "CALLBACK_TIMEOUT_SECONDS": "2",
        **UNHURRIED,
    }
    async with (
        WatchedStack(
            PROJECT, tenant=api.app(), settings=settings, on_line=lines.append, visibility=visibility
        ) as stack,
        Storage.opened(stack.settings["AzureWebJobsStorage"]) as storage,
    ):
        stack.secrets.keep_settings(stack.settings)
        world = World(stack, api, lines, storage)
        yield world
        assert await world.leaks() == set()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running() -> AsyncIterator[World]:
    async with started(VISIBILITY) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(running: World) -> AsyncIterator[World]:
    """The stack with its host running, and a tenant without instances."""
    running.api.tenant.instances.clear()
    running.api.faults.waiting.clear()
    await running.start_host()
    yield running
    running.api.tenant.instances.clear()
