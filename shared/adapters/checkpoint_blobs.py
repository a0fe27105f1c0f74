"""Checkpoints as blobs, one per instance and family, replaced only in the version that was read.

A blob that cannot be read is never overwritten.
"""

from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, ContainerClient

from shared.adapters import checkpoint_bytes
from shared.adapters.storage import API_VERSION, CONNECTING, RETRIES, Account, creating, named_errors
from shared.domain import ids
from shared.domain.checkpoints import Checkpoint, Family
from shared.errors import CheckpointError, LostRaceError

CONTAINER = "checkpoints"


class CheckpointBlobs:
    """The container of checkpoints."""

    def __init__(self, account: Account) -> None:
        if account.connection_string is not None:
            self._container = ContainerClient.from_connection_string(
                account.connection_string, CONTAINER, api_version=API_VERSION, **RETRIES, **CONNECTING
            )
        else:
            self._container = ContainerClient(
                account.blob_url, CONTAINER, account.credential, api_version=API_VERSION, **RETRIES, **CONNECTING
            )

    def _blob(self, instance_id: str, family: Family) -> BlobClient:
        return self._container.get_blob_client(f"{quote(ids.key(instance_id), safe='')}/{family}.json")

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        """The checkpoint and its ETag; a new one and None before the first save."""
        blob = self._blob(instance_id, family)
        async with named_errors("blob storage"):
            try:
                download = await blob.download_blob()
                content = await download.readall()
            except ResourceNotFoundError:
                return Checkpoint(), None
        try:
            return await checkpoint_bytes.read(family, content), str(download.properties.etag)
        except ValueError as error:
            raise CheckpointError(
                f"the checkpoint {CONTAINER}/{blob.blob_name} cannot be read ({error}). It is left as it is, and "
                f"{family} of instance {instance_id} are not polled until somebody restores an earlier version of "
                "the blob, or deletes it to start anew from what the next poll sees"
            ) from None

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        """Replace the version that was loaded, or make the first; gives the new ETag."""
        blob = self._blob(instance_id, family)
        content = await checkpoint_bytes.written(family, checkpoint)

        async def upload() -> str:
            if version is None:
                written = await blob.upload_blob(content, overwrite=False)
            else:
                written = await blob.upload_blob(
                    content, overwrite=True, etag=version, match_condition=MatchConditions.IfNotModified
                )
            return str(written["etag"])

        async with named_errors("blob storage"):
            try:
                return await creating(upload, self._container.create_container)
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
                raise LostRaceError(f"another poll has saved {family} of instance {instance_id}") from None

    async def check(self) -> None:
        """Raise what keeps the container from being used."""
        async with named_errors("blob storage"):
            await creating(self._container.get_container_properties, self._container.create_container)

    async def close(self) -> None:
        """Close the connections."""
        await self._container.close()
