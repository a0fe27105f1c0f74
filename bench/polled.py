"""A worker that polls a simulated tenant over HTTP; what it stores and publishes stays in memory, and is counted."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bench.answers import NIGHT, tenant
from local.tenant.api import TenantApi, serving
from local.tenant.model import Instance
from local.tenant.runs import Plan, run_full_refresh
from shared.domain.checkpoints import Family
from shared.domain.subscriptions import Subscription
from shared.insights.auth import FixedToken
from shared.insights.calls import Calls
from shared.insights.client import InsightsClient
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.wiring_polling import Polling
from tests.fakes import CheckpointStoreFake, ClockFake, PollStoreFake, PublisherFake, SubscriptionStoreFake
from tests.usecases.polling import worker_of
from tests.usecases.world import subscription

TOKEN: Final = "token"  # noqa: S105 - of a tenant that is none
KEY: Final = "key"
WATCHED: Final = 1_000_000  # the threshold of all rules


@dataclass(slots=True)
class World:
    """The tenant's API, the worker that polls its one instance, and what that stores."""

    api: TenantApi
    instance: Instance
    worker: Polling
    checkpoints: CheckpointStoreFake
    publisher: PublisherFake
    clock: ClockFake

    async def poll(self) -> None:
        """Poll all families."""
        await self.worker.poll(REFRESHES)
        await self.worker.poll(THRESHOLDS)

    async def calls(self) -> int:
        """How often a poll asks the instance for something."""
        self.api.calls.clear()
        await self.poll()
        return sum(count for path, count in self.api.calls.items() if self.instance.id in path)

    async def pass_a_night(self) -> None:
        """Refresh everything once more; the first segment grows beyond what is watched for."""
        ended_at = self.clock.now + timedelta(hours=18)
        run_full_refresh(self.instance, ended_at, Plan(counts={next(iter(self.instance.segments)): 2 * WATCHED}))
        self.clock.now = ended_at + timedelta(hours=6)

    def stored(self, family: Family) -> int:
        """The bytes of a checkpoint."""
        return len(self.checkpoints.stored[self.instance.id, family][0])


@asynccontextmanager
async def polled(count: int) -> AsyncIterator[World]:
    """A tenant with so many segments and measures that is served, and somebody who watches each of them."""
    made, instance = tenant(count)
    clock, checkpoints, publisher = ClockFake(NIGHT + timedelta(hours=6)), CheckpointStoreFake(), PublisherFake()
    api = TenantApi(made, token=TOKEN, key=KEY, clock=clock)
    async with serving(api) as address:
        calls = calls_to(address)
        worker = worker_of(
            insights=InsightsClient(calls),
            checkpoints=checkpoints,
            subscriptions=SubscriptionStoreFake(*_watching(instance)),
            publisher=publisher,
            polls=PollStoreFake(),
            clock=clock,
        )
        try:
            yield World(api, instance, worker, checkpoints, publisher, clock)
        finally:
            calls.close()


def calls_to(address: str) -> Calls:
    """The product's own client of a tenant that is served there."""
    return Calls(endpoint=address, workflow="main", subscription_key=KEY, tokens=FixedToken(TOKEN))


def _watching(instance: Instance) -> Sequence[Subscription]:
    return [
        subscription(
            id_=f"{kind}-{name}",
            slug=f"{kind}-threshold-crossed",
            rule_id=f"{kind}-{name}",
            instance_id=instance.id,
            threshold=Decimal(WATCHED),
            **{f"{kind}Name": name},
        )
        for kind, names in (("segment", instance.segments), ("measure", instance.measures))
        for name in names
    ]
