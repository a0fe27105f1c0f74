"""A stand-in for an Event Grid custom topic with CloudEvents schema, and its event subscription to a storage queue.

It checks what Event Grid checks, answers as it does, and writes each event to the queue as it does: one CloudEvent per
message, base64. It does not retry or reorder. Faults can be injected: refused requests, and events delivered twice.
"""

import asyncio
import base64
import contextlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiohttp import web
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.queue.aio import QueueClient

REQUEST_LIMIT: Final = 1_048_576  # bytes
EVENTS_LIMIT: Final = 5_000  # in one request
MESSAGE_LIMIT: Final = 65_536  # bytes of a storage queue message, which is base64
WRITES_AT_ONCE: Final = 32

REQUIRED: Final = ("id", "source", "specversion", "type")
ATTRIBUTE: Final = re.compile("[a-z0-9]+|data_base64")

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be delivered, and Event Grid's reason."""

    event: Mapping[str, Any]
    reason: str


class RefusedError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Topic:
    """The topic; serve `app` and open it with `async with` while it serves."""

    def __init__(self, *, key: str, connection_string: str, queue: str = "events") -> None:
        self.published: list[Json] = []
        self.dead_letters: list[DeadLetter] = []
        self.refused = 0
        self._key = key
        self._queue = QueueClient.from_connection_string(
            connection_string, queue, api_version="2025-11-05", use_env_settings=False
        )
        self._failures: list[int] = []
        self._repeats = 0

    async def __aenter__(self) -> Self:
        await self._queue.__aenter__()
        with contextlib.suppress(ResourceExistsError):
            await self._queue.create_queue()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._queue.close()

    @property
    def app(self) -> web.Application:
        """The application that serves `POST /api/events`."""
        app = web.Application(client_max_size=REQUEST_LIMIT)
        app.router.add_post("/api/events", self._post)
        return app

    def fail_next(self, count: int, status: int = 503) -> None:
        """Refuse the next `count` requests with `status`."""
        self._failures += [status] * count

    def repeat_next(self, count: int) -> None:
        """Deliver the next `count` events twice, as Event Grid may."""
        self._repeats += count

    async def _post(self, request: web.Request) -> web.Response:
        try:
            self._fail()
            self._authorise(request)
            await self._deliver(await _events(request))
        except RefusedError as error:
            self.refused += 1
            return web.json_response({"error": {"code": str(error.status), "message": str(error)}}, status=error.status)
        return web.Response()

    def _fail(self) -> None:
        if self._failures:
            raise RefusedError(self._failures.pop(0), "A fault was injected.")

    def _authorise(self, request: web.Request) -> None:
        key = request.headers.get("aeg-sas-key", "")
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            raise RefusedError(401, "The request has no valid aeg-sas-key.")

    async def _deliver(self, events: list[Json]) -> None:
        turn = asyncio.Semaphore(WRITES_AT_ONCE)
        messages = [message for event in events for message in self._messages(event)]

        async def send(message: str) -> None:
            async with turn:
                await self._queue.send_message(message)

        try:
            await asyncio.gather(*(send(message) for message in messages))
        except AzureError as error:
            raise RefusedError(503, "The events could not be kept.") from error

    def _messages(self, event: Json) -> list[str]:
        """Return the queue messages for an event: one, two for a repeat, none for a dead letter."""
        self.published.append(event)
        message = base64.b64encode(json.dumps(event, separators=(",", ":")).encode()).decode()
        if len(message) > MESSAGE_LIMIT:
            self.dead_letters.append(DeadLetter(event, "RequestEntityTooLarge"))
            return []
        if self._repeats:
            self._repeats -= 1
            return [message, message]
        return [message]


async def _events(request: web.Request) -> list[Json]:
    """Return the CloudEvents of a request; all are valid, or none is taken."""
    try:
        document = json.loads(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise RefusedError(413, f"The request is larger than {REQUEST_LIMIT} bytes.") from error
    except ValueError as error:
        raise RefusedError(400, "The request is not JSON.") from error
    is_batch = request.content_type == "application/cloudevents-batch+json"
    if isinstance(document, list) is not is_batch or request.content_type != _content_type(batch=is_batch):
        raise RefusedError(400, "A batch is an array of CloudEvents, anything else is one CloudEvent object.")
    events = document if is_batch else [document]
    if len(events) > EVENTS_LIMIT:
        raise RefusedError(413, f"The request has more than {EVENTS_LIMIT} events.")
    for event in events:
        _check(event)
    return events


def _content_type(*, batch: bool) -> str:
    return "application/cloudevents-batch+json" if batch else "application/cloudevents+json"


def _check(event: object) -> None:
    """Refuse what is not a CloudEvent 1.0 in JSON."""
    if not isinstance(event, dict):
        raise RefusedError(400, "A CloudEvent is a JSON object.")
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise RefusedError(400, f"The CloudEvent attribute {name} must be a string that is not empty.")
    if event["specversion"] != "1.0":
        raise RefusedError(400, "The specversion must be 1.0.")
    if unknown := [name for name in event if not ATTRIBUTE.fullmatch(name)]:
        raise RefusedError(400, f"Not a CloudEvent attribute name: {unknown[0]}")
