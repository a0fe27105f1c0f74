"""Queue triggers: polls one storage queue and runs its function for each message, as Azure's listener does.

A message that the function completed is deleted. One that failed is shown again, and after `maxDequeueCount` attempts,
or when it is not base64, moved to `<queue>-poison`. A poison queue has no poison queue of its own: there a failed
message stays invisible until its time is up. A message is not renewed while its function runs.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
from datetime import datetime, timedelta
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient
from azure_functions_runtime.bindings.datumdef import Datum

from local.host.configuration import QueueOptions
from local.host.worker import Function, Worker

log = logging.getLogger(__name__)

LONGEST_CALL: Final = 15  # seconds, however slowly the answer comes
SHORTEST_WAIT: Final = timedelta(milliseconds=100)  # between two polls that find nothing
API_VERSION: Final = "2025-11-05"  # the newest that Azurite 3.37.0 knows
LOST_MESSAGE: Final = frozenset({400, 404})  # PopReceiptMismatch, MessageNotFound: somebody else took it over


class QueuePump:
    """Feeds one queue function. `visibility` is how long a message stays hidden while it is worked on."""

    def __init__(  # noqa: PLR0913 - each is a separate choice of host.json, the binding or the command line
        self,
        worker: Worker,
        function: Function,
        *,
        queue: str,
        connection: str,
        options: QueueOptions,
        visibility: timedelta,
    ) -> None:
        self._worker = worker
        self._function = function
        self._options = options
        self._visibility = int(visibility.total_seconds())
        self._queue = _client(connection, queue)
        self._poison = None if queue.endswith("-poison") else _client(connection, f"{queue}-poison")
        self._running: set[asyncio.Task[None]] = set()
        self._reachable = True

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping`; the messages taken by then are finished."""
        async with self._queue, self._poison or contextlib.nullcontext():
            wait = SHORTEST_WAIT
            while not stopping.is_set():
                if await self._poll():
                    wait = SHORTEST_WAIT
                    await self._room(stopping)
                else:
                    await _pause(stopping, wait)
                    wait = min(wait * 2, self._options.max_polling_interval)
            await asyncio.gather(*self._running)

    async def _poll(self) -> bool:
        """Take one batch and start working on it; false when there is nothing to do."""
        try:
            messages = await self._receive()
        except ResourceNotFoundError:
            return False  # nobody has made the queue yet
        except (AzureError, TimeoutError, ParseError) as error:
            self._report(str(error) or "no answer in time")
            return False
        self._report(None)
        for message in messages:
            task = asyncio.create_task(self._settle(message), name=f"{self._function.name} {message.id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(messages)

    async def _receive(self) -> list[QueueMessage]:
        """Ask once: `receive_messages` itself would go on asking until nothing is left."""
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=self._visibility
        ).by_page()
        async with asyncio.timeout(LONGEST_CALL):
            async for page in pages:
                return [message async for message in page]
        return []

    async def _room(self, stopping: asyncio.Event) -> None:
        while len(self._running) > self._options.new_batch_threshold and not stopping.is_set():
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _settle(self, message: QueueMessage) -> None:
        """Work on a message and tell the queue what became of it; when that fails, the message comes again."""
        try:
            await self._work(message)
        except HttpResponseError as error:
            level = logging.DEBUG if error.status_code in LOST_MESSAGE else logging.WARNING
            log.log(level, "%s: message %s: %s", self._queue.queue_name, message.id, error.message)
        except (AzureError, ParseError) as error:
            log.warning("%s: message %s: %s", self._queue.queue_name, message.id, error)

    async def _work(self, message: QueueMessage) -> None:
        attempts = message.dequeue_count or 0
        if attempts > self._options.max_dequeue_count:
            # The process died during the last attempt: nobody was left to move the message then.
            await self._give_up(message, f"dequeued {attempts} times")
            return
        try:
            text = self._decode(message.content)
        except ValueError:
            await self._give_up(message, "not base64, which host.json says messages are")
            return
        outcome = await self._worker.invoke(self._function, Datum(text, "string"), trigger_metadata(message, text))
        if outcome.succeeded:
            await self._queue.delete_message(message.id, message.pop_receipt)
        elif attempts >= self._options.max_dequeue_count or self._poison is None:
            await self._give_up(message, f"failed at attempt {attempts}")
        else:
            await self._show_again(message)

    async def _show_again(self, message: QueueMessage) -> None:
        wait = int(self._options.visibility_timeout.total_seconds())
        await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=wait)

    async def _give_up(self, message: QueueMessage, reason: str) -> None:
        queue = self._queue.queue_name
        if self._poison is None:
            log.error("%s: message %s: %s; it stays there, there is no poison queue for it", queue, message.id, reason)
            return
        log.warning("%s: message %s: %s; moved to %s", queue, message.id, reason, self._poison.queue_name)
        with contextlib.suppress(ResourceExistsError):
            await self._poison.create_queue()
        await self._poison.send_message(message.content)
        await self._queue.delete_message(message.id, message.pop_receipt)

    def _decode(self, content: str) -> str:
        """Return the text of a message. Raises `ValueError` when it is not encoded as host.json says."""
        if not self._options.base64:
            return content
        try:
            return base64.b64decode(content, validate=True).decode("utf-8", "replace")
        except binascii.Error as error:
            raise ValueError(str(error)) from error

    def _report(self, error: str | None) -> None:
        """Log the loss of the queue once, and its return."""
        if self._reachable == (error is None):
            return
        self._reachable = error is None
        if error:
            log.warning("%s cannot be polled: %s", self._queue.queue_name, error)
        else:
            log.info("%s can be polled again", self._queue.queue_name)


def trigger_metadata(message: QueueMessage, text: str) -> dict[str, Datum]:
    """Return the trigger metadata of a message; the top-level keys of a JSON message override the queue's own."""
    own: dict[str, Any] = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": _isoformat(message.inserted_on),
        "ExpirationTime": _isoformat(message.expires_on),
        "NextVisibleTime": _isoformat(message.next_visible_on),
    }
    with contextlib.suppress(ValueError):
        document = json.loads(text)
        if isinstance(document, dict):
            own |= {key[:1].upper() + key[1:]: value for key, value in document.items()}
    return {key: Datum(json.dumps(value), "json") for key, value in own.items()}


def _client(connection: str, queue: str) -> QueueClient:
    # No retries in the client: they would wait for many seconds, and the pump polls again anyway. Nor does each request
    # look for proxies in the environment, which would cost as much as all else of a poll; the worker would wait for it.
    return QueueClient.from_connection_string(
        connection,
        queue,
        api_version=API_VERSION,
        retry_total=0,
        connection_timeout=5,
        read_timeout=10,
        use_env_settings=False,
    )


def _isoformat(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


async def _pause(stopping: asyncio.Event, wait: timedelta) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), wait.total_seconds())
