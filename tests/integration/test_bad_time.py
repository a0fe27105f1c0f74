"""A bad time: a flow says when to come again, messages end in poison queues, and settings and storage are broken.

They are lived through once, and each test looks at a part of what came of it.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import ResourceExistsError

from local.flows import Call, Throttled
from shared.domain.deliveries import New
from shared.domain.messages import encode_new
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, until
from tests.integration.many import failures, heard, publish
from tests.integration.wire import Wire

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(480)]

RETRY_AFTER = 125  # seconds; what waits longer than 120 stands in the table
# Seconds; a function has failed more often by then than the host used to let it.
BROKEN = 15
FLOWS = ("later", "poisoned", "unbroken")


@dataclass(frozen=True)
class Minutes:
    """What came of them; `waiting` and `due` are from their beginning, `calls` and `letters` from their end."""

    waiting: Mapping[str, Any]
    due: Sequence[Mapping[str, Any]]
    queued: int
    put_back: Sequence[int]
    calls: Mapping[str, Sequence[Call]]
    wanted: Mapping[str, set[str]]
    letters: Sequence[Mapping[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def minutes(running: World) -> Minutes:
    world = running
    await world.start_host()
    instances = {flow: world.instance() for flow in FLOWS}
    ids = {flow: (await world.subscribe(DATA_SOURCE_FAILED, flow, instances[flow]))["id"] for flow in FLOWS}
    events = {
        "later": failures(instances["later"], 1),
        "poisoned": failures(instances["poisoned"], 2),
        "unbroken": failures(instances["unbroken"], 40),
    }

    world.stack.flows.behave("later", Throttled(times=1, retry_after=RETRY_AFTER))
    await publish(world, events["later"])

    async def waits() -> Any:  # noqa: ANN401 - what it finds
        path = f"/subscriptions/{ids['later']}/deliveries/{events['later'][0].id}"
        answer = await world.stack.call("GET", path)
        return answer.json() if answer.status == 200 and answer.json()["stage"] == "waiting" else None

    waiting = await until(waits, within=30)
    due = [row for row in await world.storage.rows("due") if row["kind"] == "look"]
    await world.settle(within=60)  # tests before this one may have left what comes again soon
    queued = await world._length("deliveries")

    one, other = events["poisoned"]
    await _send(world, "events-poison", one.encode())
    await _send(world, "deliveries-poison", encode_new(New(ids["poisoned"], other, now())))
    await until(lambda: _is_empty(world, "events-poison", "deliveries-poison"), within=30)
    put_back = [await world._length(queue) for queue in ("events", "deliveries")]

    await world.restart(CALLBACK_ENCRYPTION_KEY="no key")
    await publish(world, events["unbroken"][:20])
    await asyncio.sleep(BROKEN)
    async with Wire.before("Table", world.stack.settings["AzureWebJobsStorage"]) as (wire, connection):
        wire.is_cut = True
        await world.restart(AzureWebJobsStorage=connection)
        await publish(world, events["unbroken"][20:])
        await asyncio.sleep(BROKEN)
        wire.is_cut = False
        await heard(world, "unbroken", events["unbroken"], within=150)
        letters = (await world.stack.call("GET", "/dead-letters?limit=500")).json()["value"]
        await world.restart()
    await _forget_what_waits(world)
    return Minutes(
        waiting,
        due,
        queued,
        put_back,
        {flow: world.stack.flows.of(flow) for flow in FLOWS},
        {flow: {event.id for event in of_flow} for flow, of_flow in events.items()},
        [letter for letter in letters if letter.get("subscriptionId") in ids.values() or letter["kind"] == "message"],
    )


async def _forget_what_waits(world: World) -> None:
    """Leave nothing that comes in the next two minutes to the tests after this one."""
    for queue in ("events", "deliveries"):
        await world.storage.queues.get_queue_client(queue).clear_messages()
    due = world.storage.tables.get_table_client("due")
    for row in await world.storage.rows("due"):
        await due.delete_entity(row)


async def _send(world: World, queue: str, text: str) -> None:
    client = world.storage.queues.get_queue_client(queue)
    with contextlib.suppress(ResourceExistsError):  # the host makes it with the first message that it gives up
        await client.create_queue()
    await client.send_message(text)


async def _is_empty(world: World, *queues: str) -> bool:
    return not sum([await world._length(queue) for queue in queues])


async def test_a_long_wait_stands_in_the_table_and_in_no_queue(minutes: Minutes) -> None:
    assert minutes.queued == 0
    assert [row["kind"] for row in minutes.due] == ["look"]
    assert minutes.waiting["attempts"] == 1
    assert minutes.waiting["status"] == 429


async def test_what_was_in_a_poison_queue_goes_back_by_itself(minutes: Minutes) -> None:
    assert minutes.put_back == [1, 1]


async def test_settings_and_then_storage_that_are_broken_bury_nothing(minutes: Minutes) -> None:
    accepted = [call.event["id"] for call in minutes.calls["unbroken"] if call.accepted]
    assert set(accepted) == minutes.wanted["unbroken"]
    assert len(accepted) == len(set(accepted))
    assert minutes.letters == []
