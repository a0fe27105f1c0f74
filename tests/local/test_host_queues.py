"""Queue triggers of the local host: success, retries, poison, and what a kill leaves behind."""

import asyncio
import base64
import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueServiceClient

from local.host.configuration import QueueOptions
from local.host.queues import QueuePump
from local.host.worker import Function, Worker
from local.stack import Stack
from tests.local.conftest import Journal, Until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def send(queues: QueueServiceClient, content: str, queue: str = "work") -> None:
    client = queues.get_queue_client(queue)
    with contextlib.suppress(ResourceExistsError):
        await client.create_queue()
    await client.send_message(content)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def wait_for_messages(queues: QueueServiceClient, queue: str, count: int) -> None:
    """Wait until a queue holds so many: the host deletes a message a moment after its function has ended."""
    client = queues.get_queue_client(queue)
    async with asyncio.timeout(10):
        while (await client.get_queue_properties()).approximate_message_count != count:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.02)


def seen(journal: Journal, text: str, name: str = "work") -> list[dict[str, Any]]:
    return [entry for entry in journal.of(name) if text in entry["body"]]


async def test_a_message_is_worked_on_once_and_deleted(
    host: Stack, queues: QueueServiceClient, journal: Journal, until: Until
) -> None:
    await send(queues, encoded("plain"))
    await until(lambda: seen(journal, "plain"))
    await host.host.wait_for_line("work succeeded", within=10)
    assert len(seen(journal, "plain")) == 1
    await wait_for_messages(queues, "work", 0)


async def test_the_keys_of_a_json_message_override_the_queues_own_metadata(
    host: Stack, queues: QueueServiceClient, journal: Journal, until: Until
) -> None:
    assert host
    await send(queues, encoded(json.dumps({"id": "event-1", "kind": "json"})))
    [entry] = await until(lambda: seen(journal, '"kind"'))
    assert entry["id"] == "event-1"


async def test_what_keeps_failing_is_tried_five_times_and_moved_to_the_poison_queue(
    host: Stack, queues: QueueServiceClient, journal: Journal, until: Until
) -> None:
    await send(queues, encoded("fail"))
    await until(lambda: seen(journal, "fail", "work_poison"))
    assert [entry["dequeue_count"] for entry in seen(journal, "fail")] == [1, 2, 3, 4, 5]
    await wait_for_messages(queues, "work", 0)
    # A poison queue has no poison queue: what failed there stays.
    await host.host.wait_for_line("work-poison: message .* stays there", within=10)
    await wait_for_messages(queues, "work-poison", 1)


async def test_what_is_not_base64_is_moved_without_being_worked_on(
    host: Stack, queues: QueueServiceClient, journal: Journal
) -> None:
    before = len(journal.of("work"))
    await send(queues, "{not base64}")
    await host.host.wait_for_line("work: message .* not base64.* moved to work-poison", within=10)
    assert len(journal.of("work")) == before


async def test_a_message_in_work_at_a_kill_comes_again(
    host: Stack, queues: QueueServiceClient, journal: Journal, until: Until
) -> None:
    await send(queues, encoded("slow"))
    await until(lambda: seen(journal, "slow"))
    await host.kill_host()
    await host.start_host()
    await until(lambda: len(seen(journal, "slow")) == 2)
    assert seen(journal, "slow")[1]["dequeue_count"] == 2
    await host.kill_host()
    await queues.get_queue_client("work").clear_messages()


async def test_a_message_whose_last_attempt_was_killed_is_moved_without_being_worked_on(
    stack: Stack, queues: QueueServiceClient, journal: Journal
) -> None:
    await send(queues, encoded("killer"))
    client = queues.get_queue_client("work")
    for _ in range(5):
        [message] = [message async for message in client.receive_messages(max_messages=1)]
        await client.update_message(message.id, message.pop_receipt, visibility_timeout=0)
    await stack.start_host()
    await stack.host.wait_for_line("work: message .* dequeued 6 times; moved to work-poison", within=10)
    assert not seen(journal, "killer")


async def test_a_queue_that_answers_with_somebody_elses_page_is_polled_again() -> None:
    polls, stopping, page = 0, asyncio.Event(), b"<!doctype html><title>Sign in</title>"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal polls
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (len(page), page)
        )
        writer.close()
        polls += 1
        if polls == 3:
            stopping.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a"
        pump = QueuePump(
            Worker(()),
            Function("1", "work", {}),
            queue="work",
            connection=f"AccountName=a;AccountKey=a2V5;QueueEndpoint={address}",
            options=QueueOptions.from_json({}),
            visibility=timedelta(seconds=1),
        )
        async with asyncio.timeout(10):
            await pump.run(stopping)
    assert polls >= 3
