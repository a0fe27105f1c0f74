"""How the bridge gets in: the tokens, identities and the storage account that the settings name.

Azure's SDKs are imported when they are first needed.
"""

from typing import TYPE_CHECKING

from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import AzureKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.storage import Account
    from shared.insights.auth import TokenSource


def insights_tokens(settings: Settings) -> "TokenSource":
    """Where the tokens for Customer Insights come from."""
    from shared.insights import auth  # noqa: PLC0415 - heavy imports, on first use

    if settings.insights_access_token is not None:
        return auth.FixedToken(settings.insights_access_token)
    if (app := settings.app_registration) is not None:
        return auth.app_registration(
            settings.insights_scope,
            tenant_id=app.tenant_id,
            client_id=app.client_id,
            client_secret=app.client_secret,
        )
    return auth.default_identity(settings.insights_scope, managed_identity_client_id=settings.storage.client_id)


def azure_identity(settings: Settings) -> "AsyncTokenCredential":
    """The app's identity in Azure, or the developer's login."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - not needed where keys are given

    if settings.storage.client_id is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(managed_identity_client_id=settings.storage.client_id)


def storage_account(settings: Settings) -> "Account":
    """The storage account and how to get into it."""
    from shared.adapters.storage import Account  # noqa: PLC0415 - heavy imports, on first use

    storage = settings.storage
    if storage.connection_string is not None:
        return Account(storage.connection_string)
    return Account(None, storage.blob_url, storage.queue_url, storage.table_url, azure_identity(settings))


def topic_credential(settings: Settings) -> "AzureKeyCredential | AsyncTokenCredential":
    """How the bridge gets into the Event Grid topic."""
    if settings.topic_key is None:
        return azure_identity(settings)
    from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415 - heavy imports, on first use

    return AzureKeyCredential(settings.topic_key)
