"""The three services of the storage account, read with the plain SDKs: the bridge's adapters create what they miss."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from doctor.findings import Finding, listed, sentence, wrong
from shared.adapters.storage import API_VERSION, RETRIES, Account, named_errors
from shared.errors import BridgeError, ConfigurationError

ROLES: Final = ("Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor")
READING: Final = ("Storage Blob Data Reader", "Storage Queue Data Reader", "Storage Table Data Reader")

_PATIENCE: Final = 15  # seconds for each thing that is looked at
_UNREACHABLE: Final = "Check the address, and whether a firewall or a private endpoint keeps this machine out."


@dataclass(frozen=True, slots=True)
class Services:
    """Blobs, queues and tables of one account."""

    blobs: BlobServiceClient
    queues: QueueServiceClient
    tables: TableServiceClient

    @classmethod
    @asynccontextmanager
    async def open(cls, account: Account) -> AsyncIterator["Services"]:
        """The account's services, until the block ends."""
        services = _connect(account)
        async with AsyncExitStack() as closing:
            for service in (services.blobs, services.queues, services.tables):
                await closing.enter_async_context(service)
            yield services


def _connect(account: Account) -> Services:
    if account.connection_string is not None:
        text = account.connection_string
        return Services(
            BlobServiceClient.from_connection_string(text, api_version=API_VERSION, **RETRIES),
            QueueServiceClient.from_connection_string(text, api_version=API_VERSION, **RETRIES),
            TableServiceClient.from_connection_string(text),
        )
    assert account.credential is not None  # noqa: S101 - settings guarantee one or the other
    return Services(
        BlobServiceClient(account.blob_url, account.credential, api_version=API_VERSION, **RETRIES),
        QueueServiceClient(account.queue_url, account.credential, api_version=API_VERSION, **RETRIES),
        TableServiceClient(account.table_url, credential=account.credential),
    )


async def look(what: str, look_at: Callable[[], Awaitable[Finding | Sequence[Finding]]]) -> Sequence[Finding]:
    """What is found there; that it cannot be looked at is a finding, too."""
    try:
        async with asyncio.timeout(_PATIENCE), named_errors(what):
            found = await look_at()
            return [found] if isinstance(found, Finding) else found
    except ConfigurationError as error:
        do = f"The bridge needs a connection string, or the roles {listed(ROLES)}; to look, {listed(READING)} will do."
        return [wrong(sentence(str(error)), do)]
    except BridgeError as error:
        return [wrong(sentence(str(error)), _UNREACHABLE)]
    except TimeoutError:
        return [wrong(f"The {what} does not answer.", _UNREACHABLE)]
