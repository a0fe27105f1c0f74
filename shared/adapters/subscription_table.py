"""Subscriptions in the table `subscriptions`.

Three kinds of row: the subscription itself, under its id; while it is active, a row at its route, where an event finds
it; and for an id that a caller chose, a row under its fingerprint. The first is the truth: it is written first, and
whoever finds one of the others left behind by a process that died recognises it as such.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal

from shared.adapters.storage import Account, key_of
from shared.adapters.tables import Row, Table
from shared.domain.events import Event
from shared.domain.subscriptions import TRIGGERS, Route, Subscription, Trigger, routes_of, rules_partition
from shared.domain.thresholds import Rule

TABLE = "subscriptions"
NO_ROW = ""
# A partition that begins with `subscription|` lies between these two.
FIRST, LAST = "subscription|", "subscription}"


class SubscriptionTable:
    """The table of subscriptions."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, TABLE)
        self.check = self._table.check
        self.close = self._table.close

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        """A subscription and its ETag, or None."""
        found = await self._table.get(key_of("subscription", subscription_id), NO_ROW)
        return (_subscription(found[0]), found[1]) if found else None

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        """Write a new one, or replace that version (which is `replaced`); gives the new ETag."""
        row = _row(subscription)
        version = await (self._table.insert(row) if version is None else self._table.replace(row, version))
        if subscription.has_chosen_id:
            await self._table.put(_chosen_row(subscription))
        if subscription.status == "active":
            await self._table.put(_route_row(subscription))
        if replaced is not None and (replaced.route != subscription.route or subscription.status != "active"):
            await self._table.delete(*_route_key(replaced))
        return version

    async def delete(self, subscription: Subscription, version: str) -> None:
        """Remove that version."""
        await self._table.delete(key_of("subscription", subscription.id), NO_ROW, version)
        await self._table.delete(*_route_key(subscription))
        await self._table.delete(key_of("callback", subscription.fingerprint), NO_ROW)

    async def all(self) -> AsyncIterator[Subscription]:
        """Every subscription."""
        async for row in self._table.query(
            "PartitionKey ge @first and PartitionKey lt @last", {"first": FIRST, "last": LAST}
        ):
            yield _subscription(row)

    async def id_of(self, fingerprint: str) -> str | None:
        """The id that a caller chose for the subscription with this fingerprint, if there is one."""
        found = await self._table.get(key_of("callback", fingerprint), NO_ROW)
        return str(found[0]["subscriptionId"]) if found else None

    async def matching(self, route: Route) -> AsyncIterator[str]:
        """The ids of the active subscriptions at a route."""
        condition, values = "PartitionKey eq @partition", {"partition": key_of("route", *route.partition)}
        if route.row is not None:
            condition, values = f"{condition} and RowKey eq @row", {**values, "row": key_of(route.row)}
        async for row in self._table.query(condition, values, ["subscriptionId"]):
            yield str(row["subscriptionId"])

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[Rule]:
        """The rules of all active subscriptions of a threshold trigger."""
        partition = key_of("route", *rules_partition(trigger, instance_id))
        rows = self._table.query("PartitionKey eq @partition", {"partition": partition})
        return [rule async for row in rows if (rule := _rule(trigger, row)) is not None]

    async def prune(self, subscription_id: str, event: Event) -> None:
        """Remove the rows by which an event found a subscription that does not want it any more."""
        for route in routes_of(event):
            await self._table.delete(key_of("route", *route.partition), key_of(route.row or subscription_id))


def _row(subscription: Subscription) -> Row:
    row = {
        "PartitionKey": key_of("subscription", subscription.id),
        "RowKey": NO_ROW,
        "id": subscription.id,
        "trigger": subscription.trigger.slug,
        "instanceId": subscription.instance_id,
        "filters": _filters_text(subscription),
        "callback": subscription.callback,
        "callbackHost": subscription.callback_host,
        "fingerprint": subscription.fingerprint,
        "ruleId": subscription.rule_id,
        "createdAt": subscription.created_at.isoformat(),
        "updatedAt": subscription.updated_at.isoformat(),
        "label": subscription.label,
        "status": subscription.status,
        "statusReason": subscription.status_reason,
        "tokens": json.dumps(list(subscription.tokens)),
    }
    return {key: value for key, value in row.items() if value is not None}


def _filters_text(subscription: Subscription) -> str:
    return json.dumps(subscription.filters.model_dump(by_alias=True, exclude_none=True), default=str)


def _subscription(row: Row) -> Subscription:
    trigger = TRIGGERS[row["trigger"]]
    return Subscription(
        id=row["id"],
        trigger=trigger,
        instance_id=row["instanceId"],
        filters=trigger.filters.model_validate(_exact(row["filters"])),
        callback=bytes(row["callback"]),
        callback_host=row["callbackHost"],
        fingerprint=row["fingerprint"],
        rule_id=row["ruleId"],
        created_at=datetime.fromisoformat(row["createdAt"]),
        updated_at=datetime.fromisoformat(row["updatedAt"]),
        label=row.get("label"),
        status=row["status"],
        status_reason=row.get("statusReason"),
        tokens=tuple(json.loads(row["tokens"])),
    )


def _exact(filters: str) -> dict[str, object]:
    """Filters as stored, their numbers, which stand there as text, as the decimals they are."""
    numbers = {"threshold", "rearmMargin"}
    return {key: Decimal(value) if key in numbers else value for key, value in json.loads(filters).items()}


def _route_key(subscription: Subscription) -> tuple[str, str]:
    route = subscription.route
    return key_of("route", *route.partition), key_of(route.row or subscription.id)


def _route_row(subscription: Subscription) -> Row:
    partition, row = _route_key(subscription)
    return {
        "PartitionKey": partition,
        "RowKey": row,
        "subscriptionId": subscription.id,
        "ruleId": subscription.rule_id,
        "filters": _filters_text(subscription),
    }


def _rule(trigger: Trigger, row: Row) -> Rule | None:
    return trigger.filters.model_validate(_exact(row["filters"])).rule(row["ruleId"])


def _chosen_row(subscription: Subscription) -> Row:
    return {
        "PartitionKey": key_of("callback", subscription.fingerprint),
        "RowKey": NO_ROW,
        "subscriptionId": subscription.id,
    }
