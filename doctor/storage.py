"""Is the storage account there, may it be read, and does it hold what the bridge needs? Nothing is created."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain

from azure.core.exceptions import ResourceNotFoundError

from doctor.findings import Finding, Verdict, fine, listed, unseen, wrong
from doctor.identity import check_azure_token
from doctor.services import ROLES, Services, look
from shared.adapters import (
    delivery_table,
    due_table,
    event_table,
    letter_table,
    queues,
    subscription_table,
    timer_table,
)
from shared.adapters.checkpoint_blobs import CONTAINER
from shared.adapters.cipher import CallbackCipher
from shared.adapters.storage import Account
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.signatures import context
from shared.errors import ConfigurationError
from shared.settings import Settings

QUEUES = (queues.EVENTS, queues.DELIVERIES, queues.RELEASES, queues.POLLS)
TABLES = (
    subscription_table.TABLE,
    delivery_table.DELIVERIES,
    due_table.DUE,
    event_table.EVENTS,
    letter_table.DEAD_LETTERS,
    timer_table.POLLS,
)
# What the identity asks for where there is no connection string.
SCOPE = "https://storage.azure.com/.default"

_MISSING = (
    "The bridge creates it at its first poll or when GET /api/health is called, and azd provision does: start the "
    "bridge once."
)
_WRITING = unseen(
    "Whether the identity may write, too, cannot be seen without writing.",
    f"On the storage account the app needs the roles {listed(ROLES)}.",
)


async def check_storage(settings: Settings, account: Account, cipher: CallbackCipher | None) -> Sequence[Finding]:
    """Look at everything the bridge keeps in the storage account; without a cipher, not into callback URLs."""
    if account.credential is None:
        return await _contents(account, cipher)
    token = await check_azure_token(settings, "storage", SCOPE, "AzureWebJobsStorage to a connection string")
    if token.verdict is Verdict.WRONG:
        return [token]
    return [token, *await _contents(account, cipher), _WRITING]


async def _contents(account: Account, cipher: CallbackCipher | None) -> Sequence[Finding]:
    async with Services.open(account) as services, AsyncExitStack() as closing:
        subscriptions = SubscriptionTable(account)
        closing.push_async_callback(subscriptions.close)
        found = await asyncio.gather(
            look(f"container {CONTAINER}", partial(_container, services)),
            *(look(f"queue {name}", partial(_queue, services, name)) for name in QUEUES),
            *(look(f"table {name}", partial(_table, services, name)) for name in TABLES),
            look("table subscriptions", partial(_callbacks, cipher, subscriptions)),
        )
    return list(chain.from_iterable(found))


async def _container(services: Services) -> Finding:
    try:
        await services.blobs.get_container_client(CONTAINER).get_container_properties()
    except ResourceNotFoundError:
        return wrong(f"The container {CONTAINER} is missing.", _MISSING)
    return fine(f"The container {CONTAINER} is there and can be read.")


async def _queue(services: Services, name: str) -> Finding:
    try:
        properties = await services.queues.get_queue_client(name).get_queue_properties()
    except ResourceNotFoundError:
        return wrong(f"The queue {name} is missing.", _MISSING)
    return fine(
        f"The queue {name} is there and can be read; messages in it: about {properties.approximate_message_count}."
    )


async def _table(services: Services, name: str) -> Finding:
    try:
        async for _ in services.tables.get_table_client(name).query_entities("PartitionKey eq ''", results_per_page=1):
            break
    except ResourceNotFoundError:
        return wrong(f"The table {name} is missing.", _MISSING)
    return fine(f"The table {name} is there and can be read.")


async def _callbacks(cipher: CallbackCipher | None, subscriptions: SubscriptionTable) -> Finding:
    """Whether the encryption keys open every stored callback URL and secret."""
    if cipher is None:
        return unseen("Whether the encryption keys open the callback URLs cannot be seen without the keys.")
    count, closed = 0, []
    async for subscription in subscriptions.all():
        count += 1
        try:
            cipher.open(subscription.callback, context=subscription.id)
            if subscription.secret is not None:
                cipher.open(subscription.secret, context=context(subscription.id))
        except ConfigurationError:
            closed.append(subscription.id)
    if closed:
        return wrong(
            f"Of {count} subscriptions, {len(closed)} have a callback URL or secret that no encryption key opens: "
            f"{listed(closed)}.",
            "Bring back the key under which they were stored as CALLBACK_ENCRYPTION_KEY_PREVIOUS, or subscribe again.",
        )
    return fine(f"The encryption keys open the callback URLs of all {count} subscriptions.")
