"""Publishing to an Event Grid custom topic through its SDK, with what the SDK lacks around it.

Measured of azure-eventgrid 4.22.1: it never splits a batch, it retries neither 408, 502 nor a 429 without Retry-After,
and it complains in the log of every option given to `send`. So requests are cut to Event Grid's limits here, the SDK's
own retries are switched off in its constructor, and ours are bounded.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.eventgrid.aio import EventGridPublisherClient

from shared.errors import ConfigurationError, PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import AzureKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential

type CloudEvent = Mapping[str, object]

# Event Grid takes at most 1 MB and 5,000 events in one request; some room is left for its own envelope.
MAX_BYTES = 1_000_000
MAX_EVENTS = 5_000

# Waits before the second, third and fourth attempt, in seconds; a longer Retry-After is left to the next poll.
WAITS = (0.5, 1.0, 2.0)
MAX_RETRY_AFTER = 5.0
TIMEOUT = 30


def chunks(events: Sequence[CloudEvent]) -> Iterator[list[CloudEvent]]:
    """Events in requests that Event Grid takes, in order."""
    chunk: list[CloudEvent] = []
    size = 2
    for event in events:
        # Measured as the SDK writes it: ASCII, with a blank after each comma and colon.
        length = len(json.dumps(event)) + 2
        if chunk and (size + length > MAX_BYTES or len(chunk) == MAX_EVENTS):
            yield chunk
            chunk, size = [], 2
        chunk.append(event)
        size += length
    if chunk:
        yield chunk


class EventGridTopic:
    """A custom topic with the CloudEvents schema."""

    def __init__(
        self,
        endpoint: str,
        credential: "AzureKeyCredential | AsyncTokenCredential",
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = EventGridPublisherClient(
            endpoint, credential, retry_total=0, connection_timeout=TIMEOUT, read_timeout=TIMEOUT
        )
        self._sleep = sleep

    async def publish(self, events: Sequence[CloudEvent]) -> None:
        """Publish CloudEvents; those already taken may be published again after an error.

        Raises `TransientError` when the topic cannot take them now, `ConfigurationError` when it refuses the bridge,
        `PermanentError` when it refuses the events.
        """
        for chunk in chunks(events):
            await self._publish(chunk)

    async def _publish(self, chunk: list[CloudEvent]) -> None:
        for wait in (*WAITS, None):
            try:
                await self._send(chunk)
            except TransientError as error:
                asked = error.retry_after or 0.0
                if wait is None or asked > MAX_RETRY_AFTER:
                    raise
                await self._sleep(max(asked, wait * random.uniform(0.8, 1.2)))  # noqa: S311 - spreads load only
            else:
                return

    async def _send(self, chunk: list[CloudEvent]) -> None:
        try:
            await self._client.send([dict(event) for event in chunk])
        except HttpResponseError as error:
            raise _named(error) from error
        except AzureError as error:
            raise TransientError(f"the Event Grid topic cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _named(error: HttpResponseError) -> TransientError | ConfigurationError | PermanentError:
    # For a 404 the SDK makes an error of its own, without the status.
    status = 404 if isinstance(error, ResourceNotFoundError) else error.status_code
    if status is None or status in {408, 429} or status >= 500:  # noqa: PLR2004 - HTTP's class of server errors
        retry_after = getattr(error.response, "headers", {}).get("Retry-After", "")
        seconds = float(retry_after) if retry_after.isdecimal() else None
        return TransientError(f"the Event Grid topic answers {status}", retry_after=seconds)
    if status in {401, 403, 404}:
        return ConfigurationError(
            f"the Event Grid topic answers {status}: check EVENT_GRID_TOPIC_ENDPOINT, and EVENT_GRID_TOPIC_KEY or the "
            "identity's role EventGrid Data Sender"
        )
    return PermanentError(f"the Event Grid topic answers {status} to events of the bridge")
