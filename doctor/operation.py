"""How does the bridge fare? What lies in its poison queues and among its dead letters, and whose flow is cut off."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final

from azure.core.exceptions import ResourceNotFoundError

from doctor.findings import Finding, fine, listed, minute, wrong
from doctor.polls import check_polls
from doctor.services import Services, look
from shared.adapters import letter_table, queues
from shared.adapters.checkpoint_blobs import CONTAINER, CheckpointBlobs
from shared.adapters.storage import Account
from shared.adapters.subscription_table import SubscriptionTable

POISON: Final = tuple(f"{name}-poison" for name in (queues.EVENTS, queues.DELIVERIES))
MOST_LETTERS: Final = 1000


async def check_operation(account: Account, now: datetime) -> Sequence[Finding]:
    """Look at what stands still."""
    async with Services.open(account) as services, AsyncExitStack() as closing:
        subscriptions, checkpoints = SubscriptionTable(account), CheckpointBlobs(account)
        closing.push_async_callback(subscriptions.close)
        closing.push_async_callback(checkpoints.close)
        found = await asyncio.gather(
            *(look(f"queue {name}", partial(_poison, services, name)) for name in POISON),
            look(f"table {letter_table.DEAD_LETTERS}", partial(_dead_letters, services)),
            look("table subscriptions", partial(_suspended, subscriptions)),
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
            "Functions send them back to their queue within seconds, or make dead letters of them. Where they stay, the "
            "failed invocations of retry_event or retry_delivery say why.",
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


async def _suspended(subscriptions: SubscriptionTable) -> Finding:
    count, suspended = 0, []
    async for subscription in subscriptions.all():
        count += 1
        if subscription.status == "suspended":
            suspended.append(subscription.id)
    if suspended:
        return wrong(
            f"Of {count} subscriptions, {len(suspended)} are suspended: {listed(suspended)}.",
            "Their flows are off, deleted, or refuse the bridge. A flow subscribes anew when it is turned on.",
        )
    return fine(f"None of {count} subscriptions is suspended.")
