"""Subscriptions to store."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.events.envelope import Event
from shared.domain.routes import routes_of
from shared.domain.subscriptions import Subscription
from shared.domain.triggers import TRIGGERS
from tests.adapters.conftest import NOW

FAILED, MEASURE, SYSTEM = "data-source-refresh-failed", "measure-threshold-crossed", "system-refresh-completed"


def subscription(slug: str = FAILED, name: str = "s", **filters: object) -> Subscription:
    trigger = TRIGGERS[slug]
    needed: dict[str, object] = {"measureName": "Revenue", "threshold": Decimal(1)} if slug == MEASURE else {}
    return Subscription(
        id=name,
        trigger=trigger,
        instance_id="instance",
        filters=trigger.filters.model_validate({**needed, **filters}),
        callback=b"\x00sealed\xff",
        callback_host="prod-1.logic.azure.com",
        fingerprint=f"fingerprint of {name}",
        rule_id=f"rule of {name}",
        created_at=NOW,
        updated_at=NOW,
        label="Größe",
        tokens=("a" * 64, "b" * 64),
    )


FULL = replace(
    subscription(MEASURE, "m", threshold=Decimal("0.1")),
    status="failing",
    status_reason="5 failures in a row",
    status_since=NOW + timedelta(seconds=1),
    failures=5,
    failing_since=NOW + timedelta(seconds=2),
    release_at=NOW + timedelta(seconds=3),
    leased_until=NOW + timedelta(seconds=4),
    secret=b"\x01secret",
    previous_secret=b"\x02secret",
    previous_until=NOW + timedelta(hours=24),
    environment_hint="Default-1",
    flow_hint="2",
)


async def found_by(table: SubscriptionTable, event: Event) -> list[str]:
    return sorted([found for route in routes_of(event) async for found in table.matching(route)])
