"""A function app with the Azure SDKs that the bridge uses, all loaded with it, and one function."""

import contextlib
import os

import azure.eventgrid.aio
import azure.functions as func
import azure.identity.aio  # noqa: F401 - loaded, as in most apps that sign in with an identity
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp()


@app.route("health")
async def health() -> func.HttpResponse:
    """Ask each service of the storage for something that is not there."""
    account = os.environ["AzureWebJobsStorage"]  # noqa: SIM112 - the Functions host spells it so
    async with ContainerClient.from_connection_string(account, "some") as container:
        await container.exists()
    async with QueueClient.from_connection_string(account, "some") as queue:
        with contextlib.suppress(ResourceNotFoundError):
            await queue.get_queue_properties()
    async with TableServiceClient.from_connection_string(account) as tables:
        await tables.create_table_if_not_exists("some")
    return func.HttpResponse("ok")
