"""How does the bridge fare? What lies in its poison queues and among its dead letters, and whose flow gets nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final

from azure.core.exceptions import ResourceNotFoundError

from doctor.findings import Finding, fine, listed, minute, unseen, wrong
from doctor.polls import check_polls
from doctor.services import Services, look
from shared.adapters import letter_table, queues
from shared.adapters.checkpoint_blobs import CONTAINER, CheckpointBlobs
from shared.adapters.delivery_table import DeliveryTable
from shared.adapters.storage import Account
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.subscriptions import Status

POISON: Final = tuple(f"{name}-poison" for name in (queues.EVENTS, queues.DELIVERIES))
MOST_LETTERS: Final = 1000
# So many are counted for one subscription, of so many subscriptions.
MOST_HELD: Final = 1000
MOST_COUNTED: Final = 100
NOT_ACTIVE: Final[Mapping[Status, str]] = {
    "suspended": "Their flows are off, deleted, or refuse the bridge. A flow subscribes anew when it is turned on.",
    "failing": "Their flows fail. Mend them: the bridge tries on, and sends what is held when one delivery succeeds.",
    "paused": "Somebody has paused them. docs/operations.md says how to have them take events again.",
}


async def check_operation(account: Account, now: datetime) -> Sequence[Finding]:
    """Look at what stands still."""
    async with Services.open(account) as services, AsyncExitStack() as closing:
        subscriptions, deliveries = SubscriptionTable(account), DeliveryTable(account, lambda: now)
        checkpoints = CheckpointBlobs(account)
        for store in (subscriptions, deliveries, checkpoints):
            closing.push_async_callback(store.close)
        found = await asyncio.gather(
            *(look(f"queue {name}", partial(_poison, services, name)) for name in POISON),
            look(f"table {letter_table.DEAD_LETTERS}", partial(_dead_letters, services)),
            look("tables subscriptions and deliveries", partial(_standings, subscriptions, deliveries)),
            look(f"container {CONTAINER}", partial(check_polls, services, checkpoints, now)),
        )
    return list(chain.from_iterable(found))


async def _poison(services: Services, name: str) -> Finding:
    try:
        properties = await services.queues.get_queue_client(name).get_queue_properties()
    except ResourceNotFoundError:
        return fine(f"There is no queue {name}: no message was given up.")
    if count := properties.approximate_message_count:
        return wrong(
            f"Messages in the queue {name}: about {count}.",
            "Functions send them back to their queue within seconds, or make dead letters of them. Where they stay, "
            "the failed invocations of retry_event or retry_delivery say why.",
        )
    return fine(f"The queue {name} is empty.")


async def _dead_letters(services: Services) -> Finding:
    count, latest = 0, ""
    try:
        async for row in services.tables.get_table_client(letter_table.DEAD_LETTERS).list_entities(
            select=["recordedAt"]
        ):
            count, latest = count + 1, max(latest, str(row["recordedAt"]))
            if count == MOST_LETTERS:
                break
    except ResourceNotFoundError:
        pass  # told where the table is looked at
    if not count:
        return fine("There are no dead letters.")
    number = f"{count:,} or more" if count == MOST_LETTERS else str(count)
    return wrong(
        f"Dead letters: {number}, the latest of {minute(datetime.fromisoformat(latest))}.",
        "docs/operations.md says how to see why, and how to deliver them again.",
    )


async def _standings(subscriptions: SubscriptionTable, deliveries: DeliveryTable) -> Sequence[Finding]:
    """Who takes no events just now, and how much is held for them."""
    ids = defaultdict[Status, list[str]](list)
    async for subscription in subscriptions.standings():
        ids[subscription.status].append(subscription.id)
    count, findings = sum(map(len, ids.values())), list[Finding]()
    for status, do in NOT_ACTIVE.items():
        if found := ids[status]:
            held = sum([await deliveries.held(id_, MOST_HELD) for id_ in found[:MOST_COUNTED]])
            is_cut = len(found) > MOST_COUNTED or held >= MOST_HELD
            text = f"Of {count} subscriptions, {len(found)} are {status}: {listed(found)}."
            told = f"Held for them: {held:,}{' or more' if is_cut else ''}."
            # Whoever has paused one wants it so.
            findings.append(unseen(f"{text} {told}", do) if status == "paused" else wrong(f"{text} {told}", do))
    return findings or [fine(f"All of {count} subscriptions take events.")]
