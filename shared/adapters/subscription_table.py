"""Subscriptions in the table `subscriptions`, and the way to them.

A subscription's own row is the truth, and it alone is read before it is believed. Its signposts are written before it
and removed after it, in the version that they had before it was changed. So a race or a death leaves signposts that
lead nowhere, which the sweep clears away, and never a subscription to which none leads.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.columns import present
from shared.adapters.ordering import readable
from shared.adapters.own_writes import write
from shared.adapters.storage import Account, key_of
from shared.adapters.subscription_rows import (
    BETWEEN,
    STANDING,
    SUBSCRIPTIONS,
    Key,
    fingerprint_partition,
    key,
    route_partition,
    rule_of,
    signposts,
    standing_of,
    subscription_key,
    subscription_of,
    subscription_row,
    those_known,
)
from shared.adapters.subscription_sweep import sweep
from shared.adapters.tables import Table, known
from shared.domain import ids
from shared.domain.routes import Route, rules_partition
from shared.domain.rules import AnyRule
from shared.domain.subscriptions import Standing, Status, Subscription
from shared.domain.triggers import Trigger
from shared.errors import BridgeError, LostRaceError

TABLE = "subscriptions"

log = logging.getLogger("bridge.subscribe")


class SubscriptionTable:
    """The table of subscriptions."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, TABLE)
        self.check, self.close = self._table.check, self._table.close

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        """A subscription and its ETag, or None. Raises `FormatError` for a row of another version of the bridge."""
        found = await self._table.get(*subscription_key(subscription_id))
        return (subscription_of(found[0]), found[1]) if found else None

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        """Write a new one (None), or replace that version (which is `replaced`); gives the new ETag.

        Raises `LostRaceError` when there is one already, or it has been changed. The signposts are then left to the
        sweep: whoever has changed it may want them.
        """
        before = signposts(replaced) if replaced is not None else []
        after = signposts(subscription)
        for row in after:
            if row not in before:
                await self._table.put(row)
        stale = await self._as_they_stand({key(row) for row in before} - {key(row) for row in after})
        written = await write(self._table, subscription_row(subscription), version)
        await self._remove(stale)
        return written

    async def delete(self, subscription: Subscription, version: str) -> None:
        """Remove that version. Raises `LostRaceError` when it has been changed."""
        stale = await self._as_they_stand({key(row) for row in signposts(subscription)})
        await self._table.delete(*subscription_key(subscription.id), version)
        await self._remove(stale)

    def all(
        self, instance_id: str | None = None, trigger: Trigger | None = None, status: Status | None = None
    ) -> AsyncIterator[Subscription]:
        """Every subscription, or those of an instance, a trigger, a status.

        One that another version of the bridge has written is left out.
        """
        wanted = {
            "instanceKey": instance_id and ids.key(instance_id),
            "trigger": trigger and trigger.slug,
            "status": status,
        }
        values = present(wanted)
        return self._those([f"{name} eq @{name}" for name in values], values)

    def noticeable(self, now: datetime) -> AsyncIterator[Subscription]:
        """Those with notices that somebody has to see to; one of another version of the bridge is left out."""
        return self._those(["noticeAt le @now"], {"now": readable(now)})

    def _those(self, conditions: Sequence[str], values: Mapping[str, Any]) -> AsyncIterator[Subscription]:
        condition = " and ".join([BETWEEN, *conditions])
        return those_known(self._table.query(condition, {**SUBSCRIPTIONS, **values}), subscription_of)

    def standings(self) -> AsyncIterator[Standing]:
        """How every subscription stands; one that another version of the bridge has written is left out."""
        return those_known(self._table.query(BETWEEN, SUBSCRIPTIONS, STANDING), standing_of)

    async def id_of(self, fingerprint: str) -> str | None:
        """The id of the subscription that has this fingerprint, if a caller chose the id."""
        condition, values = "PartitionKey eq @partition", {"partition": fingerprint_partition(fingerprint)}
        async for row in self._table.query(condition, values):
            found = await self.get(known(row, "signpost")["subscriptionId"])
            if found is not None and found[0].fingerprint == fingerprint:
                return found[0].id
        return None

    async def matching(self, route: Route) -> AsyncIterator[str]:
        """The ids of the subscriptions that stand at a route, whatever their status."""
        condition, values = "PartitionKey eq @partition", {"partition": route_partition(route.partition)}
        if route.row is not None:
            condition, values = f"{condition} and RowKey eq @row", {**values, "row": key_of(route.row)}
        last = None
        async for row in self._table.query(condition, values, ["v", "subscriptionId"]):
            found = str(known(row, "signpost")["subscriptionId"])
            if found != last:  # one that is not cleared away yet stands beside the one that is followed
                yield found
            last = found

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        """The rules of all subscriptions of a trigger that has the poll watch something, whatever their status."""
        values = {"partition": route_partition(rules_partition(trigger, instance_id))}
        rows = self._table.query("PartitionKey eq @partition", values)
        return [rule async for row in rows if (rule := rule_of(trigger, row)) is not None]

    async def tidy(self, now: datetime) -> int:
        """Write what is missing to lead events to each subscription, and remove what leads nowhere; gives how many."""
        return await sweep(self._table, now)

    async def _as_they_stand(self, keys: set[Key]) -> dict[Key, str]:
        """The ETags of signposts that are to be removed. Who writes one again from now on keeps it."""
        found = {each: await self._table.get(*each) for each in sorted(keys)}
        return {each: stands[1] for each, stands in found.items() if stands is not None}

    async def _remove(self, stale: dict[Key, str]) -> None:
        for each, version in stale.items():
            try:
                await self._table.delete(*each, version)
            except LostRaceError:
                log.info("signpost.kept key=%s", "/".join(each))
            except BridgeError:
                # The subscription has been written, which must not look like a failure for what a sweep does as well.
                log.warning("signpost.left key=%s", "/".join(each), exc_info=True)
