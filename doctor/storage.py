"""Is the storage account there, may it be read, and does it hold what the bridge needs? Nothing is created."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from doctor.findings import Finding, Verdict, fine, listed, sentence, unseen, wrong
from doctor.identity import check_azure_token
from shared.adapters import delivery_queue, logs, subscription_table
from shared.adapters.checkpoint_blobs import CONTAINER
from shared.adapters.cipher import CallbackCipher
from shared.adapters.storage import API_VERSION, RETRIES, Account, named_errors
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.signatures import context
from shared.errors import BridgeError, ConfigurationError
from shared.settings import Settings

QUEUES = (delivery_queue.EVENTS, delivery_queue.DELIVERIES)
TABLES = (subscription_table.TABLE, logs.DELIVERIES, logs.EVENTS, logs.DEAD_LETTERS)
# What the identity asks for where there is no connection string.
SCOPE = "https://storage.azure.com/.default"
ROLES = ("Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor")

_PATIENCE = 15  # seconds for each thing that is looked at
_MISSING = (
    "The bridge creates it at its first poll or when GET /api/health is called, and azd provision does: start the "
    "bridge once."
)
_WRITING = unseen(
    "Whether the identity may write, too, cannot be seen without writing.",
    f"On the storage account the app needs the roles {listed(ROLES)}.",
)
_UNREACHABLE = "Check the address, and whether a firewall or a private endpoint keeps this machine out."


@dataclass(frozen=True, slots=True)
class _Services:
    """The three services of the account, read with the plain SDKs: the adapters create what they miss."""

    blobs: BlobServiceClient
    queues: QueueServiceClient
    tables: TableServiceClient


async def check_storage(settings: Settings, account: Account) -> list[Finding]:
    """Look at everything the bridge keeps in the storage account."""
    if account.credential is None:
        return await _contents(settings, account)
    async with account.credential:
        token = await check_azure_token(settings, "storage", SCOPE, "AzureWebJobsStorage to a connection string")
        if token.verdict is Verdict.WRONG:
            return [token]
        return [token, *await _contents(settings, account), _WRITING]


async def _contents(settings: Settings, account: Account) -> list[Finding]:
    async with AsyncExitStack() as closing:
        services = _open(account)
        for service in (services.blobs, services.queues, services.tables):
            await closing.enter_async_context(service)
        subscriptions = SubscriptionTable(account)
        closing.push_async_callback(subscriptions.close)
        return await asyncio.gather(
            _look(f"container {CONTAINER}", partial(_container, services)),
            *(_look(f"queue {name}", partial(_queue, services, name)) for name in QUEUES),
            *(_look(f"table {name}", partial(_table, services, name)) for name in TABLES),
            _look("table subscriptions", partial(_callbacks, settings, subscriptions)),
        )


def _open(account: Account) -> _Services:
    if account.connection_string is not None:
        text = account.connection_string
        return _Services(
            BlobServiceClient.from_connection_string(text, api_version=API_VERSION, **RETRIES),
            QueueServiceClient.from_connection_string(text, api_version=API_VERSION, **RETRIES),
            TableServiceClient.from_connection_string(text),
        )
    assert account.credential is not None  # noqa: S101 - settings guarantee one or the other
    return _Services(
        BlobServiceClient(account.blob_url, account.credential, api_version=API_VERSION, **RETRIES),
        QueueServiceClient(account.queue_url, account.credential, api_version=API_VERSION, **RETRIES),
        TableServiceClient(account.table_url, credential=account.credential),
    )


async def _look(what: str, look: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE), named_errors(what):
            return await look()
    except ConfigurationError as error:
        return wrong(sentence(str(error)), f"The bridge needs a connection string, or the roles {listed(ROLES)}.")
    except BridgeError as error:
        return wrong(sentence(str(error)), _UNREACHABLE)
    except TimeoutError:
        return wrong(f"The {what} does not answer.", _UNREACHABLE)


async def _container(services: _Services) -> Finding:
    try:
        await services.blobs.get_container_client(CONTAINER).get_container_properties()
    except ResourceNotFoundError:
        return wrong(f"The container {CONTAINER} is missing.", _MISSING)
    return fine(f"The container {CONTAINER} is there and can be read.")


async def _queue(services: _Services, name: str) -> Finding:
    try:
        properties = await services.queues.get_queue_client(name).get_queue_properties()
    except ResourceNotFoundError:
        return wrong(f"The queue {name} is missing.", _MISSING)
    return fine(
        f"The queue {name} is there and can be read; messages in it: about {properties.approximate_message_count}."
    )


async def _table(services: _Services, name: str) -> Finding:
    try:
        async for _ in services.tables.get_table_client(name).query_entities("PartitionKey eq ''", results_per_page=1):
            break
    except ResourceNotFoundError:
        return wrong(f"The table {name} is missing.", _MISSING)
    return fine(f"The table {name} is there and can be read.")


async def _callbacks(settings: Settings, subscriptions: SubscriptionTable) -> Finding:
    """Whether the encryption keys open every stored callback URL and secret."""
    cipher = CallbackCipher(settings.callback_key, settings.callback_key_previous)
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
