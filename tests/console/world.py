"""What the console shows in the tests: a retailer's bridge after a bad night, with flows in every state."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.flows import Answer, Disabled, Failing
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.life import Contoso, contoso, retailer
from local.tenant.records import Failure
from tests.hosts import UNHURRIED

NEVER = "0 0 0 1 1 *"
SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": NEVER,
    "POLL_THRESHOLDS_SCHEDULE": NEVER,
    "DELIVERY_RETRY_SECONDS": "1,1,1,1,600",
    "CALLBACK_TIMEOUT_SECONDS": "5",
    **UNHURRIED,
}
FAILED = "data-source-refresh-failed"
SUCCEEDED = "data-source-refresh-succeeded"
EVIL = '<img src=x onerror="window.stolen=1">'
EXPIRED = Failure("IngestionCredentialsExpired", "The credentials have expired. Sign in again.")


class Refusing:
    """A flow that wants another form of body."""

    def answer(self, attempt: int) -> Answer:
        del attempt
        return Answer(400, error_code="TriggerInputSchemaMismatch", error_message="The input body does not fit.")


@dataclass
class World:
    """The stack, its tenant, and the subscriptions by the name of their flow."""

    stack: Stack
    contoso: Contoso
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def instance_id(self) -> str:
        return self.contoso.instance.id

    @property
    def key(self) -> str:
        return self.stack.settings["FUNCTIONS_KEY"]

    @property
    def address(self) -> str:
        return f"{self.stack.url}/console/"

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON it is
        answer = await self.stack.call(method, path, body)
        assert answer.status < 300, (answer.status, answer.body)
        return json.loads(answer.body) if answer.body else None

    async def subscribe(self, trigger: str, flow: str, label: str, **filters: object) -> str:
        body = {"callbackUrl": self.stack.flows.url(flow), "instanceId": self.instance_id, "label": label, **filters}
        self.ids[flow] = (await self.call("POST", f"/triggers/{trigger}/subscriptions", body))["id"]
        return self.ids[flow]

    async def unsubscribe(self, flow: str) -> None:
        await self.call("DELETE", f"/subscriptions/{self.ids.pop(flow)}")

    async def refresh(self, source: str, *, ok: bool, times: int = 1) -> None:
        """A data source is refreshed, so many times in a row, and the bridge hears of it."""
        instance = self.contoso.instance
        began = datetime.now(UTC) - timedelta(seconds=times)
        for number in range(times):
            at = began + timedelta(seconds=number + 1)
            source_id = instance.data_source(source).id
            instance.refresh_data_source(source_id, ok=ok, at=at, took=timedelta(seconds=0.9), error=EXPIRED)
        await self.poll()

    async def poll(self) -> None:
        assert await self.stack.run_timer("poll_refreshes")
        assert await self.stack.run_timer("poll_thresholds")

    async def until(self, path: str, holds: Callable[[Any], bool], within: float = 60) -> Any:  # noqa: ANN401 - its JSON
        """Ask until the answer is as wanted."""
        deadline = time.monotonic() + within
        while not holds(found := await self.call("GET", path)):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)
        return found

    async def deliveries(self, flow: str, stage: str) -> Sequence[Any]:
        return list((await self.call("GET", f"/subscriptions/{self.ids[flow]}/deliveries?stage={stage}"))["value"])


def stack_of(tenant: Contoso) -> Stack:
    access = Access()
    return Stack(PROJECT, tenant=access.app(tenant.tenant), settings={**SETTINGS, **access.settings}, visibility=2)


async def after_a_bad_night(stack: Stack, tenant: Contoso) -> World:
    """Flows that are active, failing, suspended and paused, with backlogs and dead letters."""
    world = World(stack, tenant)
    tenant.instance.add_data_source("Evil", datetime.now(UTC) - timedelta(hours=2), friendly_name=EVIL)
    await world.poll()
    flows = stack.flows
    flows.behave("claims", Refusing())
    flows.behave("wiki", Disabled())
    flows.behave("tickets", Failing(times=10_000))
    shop = tenant.instance.data_source(retailer.SHOP).id
    await world.subscribe(FAILED, "data-team", "Tell the data team")
    await world.subscribe(FAILED, "claims", "File a claim", dataSourceId=shop)
    await world.subscribe(FAILED, "wiki", "Note it in the wiki")
    await world.subscribe(FAILED, "tickets", "Open a ticket", dataSourceId=shop)
    await world.subscribe(FAILED, "pager", "Wake somebody up", dataSourceId=shop)
    await world.subscribe(
        "segment-threshold-crossed", "gold", "10,000 gold customers", segmentName=retailer.GOLD, threshold=10_000
    )
    await world.subscribe("system-refresh-completed", "exports", "Start the exports", outcome="succeeded")
    await world.call("PATCH", f"/subscriptions/{world.ids['pager']}", {"status": "paused"})
    await world.refresh(retailer.SALES, ok=True)
    await world.refresh(retailer.SHOP, ok=False, times=3)
    await world.until(f"/subscriptions/{world.ids['wiki']}", lambda one: one["status"] == "suspended")
    await world.until(f"/subscriptions/{world.ids['tickets']}", lambda one: one["status"] == "failing")
    await world.until("/dead-letters", lambda page: len(page["value"]) >= 3)
    return world


def a_retailer() -> Contoso:
    return contoso(datetime.now(UTC))
