"""The sweep of the table `subscriptions`: signposts that are missing are written, and those that lead nowhere removed.

It remembers 16 bytes for each signpost that there ought to be, and believes no row that it has read a while ago.
"""

import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.adapters.subscription_rows import (
    BETWEEN,
    SIGNPOSTS,
    SUBSCRIPTIONS,
    Key,
    key,
    signposts,
    subscription_key,
    subscription_of,
    those_known,
)
from shared.adapters.tables import VERSION, Row, Table
from shared.domain.subscriptions import Subscription
from shared.errors import FormatError, LostRaceError

# A younger signpost may be that of a subscription that is being written just now.
SETTLED = timedelta(minutes=15)

log = logging.getLogger("bridge.subscribe")


async def sweep(table: Table, now: datetime) -> int:
    """Have signposts lead to each subscription, and nowhere else; gives how many were written or removed."""
    missing = {_digest(key(row)) async for subscription in _subscriptions(table) for row in signposts(subscription)}
    touched = 0
    async for signpost in _signposts(table):
        if _digest(key(signpost)) in missing:
            missing.discard(_digest(key(signpost)))
        elif await _is_left(table, signpost, now):
            touched += 1
    if missing:
        async for subscription in _subscriptions(table):
            for row in signposts(subscription):
                if _digest(key(row)) in missing and await _is_new(table, row):
                    log.warning("subscription.mended id=%s trigger=%s", subscription.id, subscription.trigger.slug)
                    touched += 1
    return touched


def _subscriptions(table: Table) -> AsyncIterator[Subscription]:
    return those_known(table.query(BETWEEN, SUBSCRIPTIONS), subscription_of)


async def _signposts(table: Table) -> AsyncIterator[Row]:
    """The signposts that this version of the bridge has written; those of another are that one's to sweep."""
    for bounds in SIGNPOSTS:
        async for row in table.query(f"{BETWEEN} and v eq {VERSION}", bounds, ["PartitionKey", "RowKey"]):
            yield row


async def _is_left(table: Table, signpost: Row, now: datetime) -> bool:
    """Remove a signpost if it leads nowhere and has not been written lately; whether it has been removed."""
    found = await table.get(*key(signpost))
    if found is None or written_at(found[0]) > now - SETTLED:
        return False
    row, version = found
    subscription = await table.get(*subscription_key(row["subscriptionId"]))
    try:
        if subscription is not None and key(row) in {key(one) for one in signposts(subscription_of(subscription[0]))}:
            return False
        await table.delete(*key(row), version)
    except (FormatError, LostRaceError):
        return False  # whoever has written the other row knows better
    log.info("signpost.removed key=%s", "/".join(key(row)))
    return True


async def _is_new(table: Table, row: Row) -> bool:
    """Write a signpost, unless somebody has; whether nobody had."""
    try:
        await table.insert(row)
    except LostRaceError:
        return False
    return True


def written_at(row: Row) -> datetime:
    """When a row that was read was last written."""
    at: datetime = row.metadata["timestamp"]  # type: ignore[attr-defined]  # the SDK's rows have it
    return at


def _digest(of: Key) -> bytes:
    return hashlib.blake2b("/".join(of).encode(), digest_size=16).digest()
