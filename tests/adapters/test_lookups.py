"""Lookups of host names: a host whose name server is dark holds up nobody but itself."""

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from shared.adapters.callbacks import CallbackClient
from shared.adapters.lookups import MAX_LOOKUPS, Lookups, look_up
from shared.domain.callbacks import Answer, CallbackPolicy
from tests.adapters.scripted_flow import BODY, HEADERS, LOCAL, flow


class Names:
    """The system's lookup: it blocks for a dark host until there is light, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.light = threading.Event()
        self.unknown: set[str] = set()
        self.addresses = ["127.0.0.1"]

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host.startswith("dark"):
            self.light.wait(20)
        if host in self.unknown:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return list(self.addresses)


@pytest_asyncio.fixture
async def names() -> AsyncIterator[Names]:
    names = Names()
    yield names
    names.light.set()


async def test_the_system_s_lookup_finds_all_addresses_of_a_name() -> None:
    found = look_up("localhost")
    assert found
    assert all(ipaddress.ip_address(address).is_loopback for address in found)
    assert len(found) == len(set(found))


async def test_a_dark_host_holds_up_nobody_and_nothing_but_itself(names: Names) -> None:
    lookups = Lookups(names)
    dark = [asyncio.create_task(lookups(f"dark{n % 20}.test")) for n in range(200)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    assert {tuple(await lookups(f"flow{n}.test")) for n in range(50)} == {("127.0.0.1",)}
    assert await asyncio.to_thread(lambda: "what storage does in the shared threads") != ""
    assert time.monotonic() - began < 2
    assert not any(attempt.done() for attempt in dark)
    assert sorted(names.asked)[:20] == sorted(f"dark{n}.test" for n in range(20))
    names.light.set()
    assert {tuple(found) for found in await asyncio.gather(*dark)} == {("127.0.0.1",)}
    lookups.close()


async def test_busy_shared_threads_hold_up_no_lookup(names: Names) -> None:
    lookups = Lookups(names)
    busy = [asyncio.get_running_loop().run_in_executor(None, names.light.wait, 20) for _ in range(100)]
    assert await asyncio.wait_for(lookups("flow.test"), 2) == ["127.0.0.1"]
    names.light.set()
    await asyncio.gather(*busy)
    lookups.close()


async def test_more_dark_hosts_than_there_is_room_for_are_bounded(names: Names) -> None:
    lookups = Lookups(names)
    dark = [asyncio.create_task(lookups(f"dark{n}.test")) for n in range(MAX_LOOKUPS + 5)]
    await asyncio.sleep(0.1)
    assert len(names.asked) == MAX_LOOKUPS
    names.light.set()
    await asyncio.gather(*dark)
    lookups.close()


async def test_who_gives_up_waiting_does_not_end_it_for_the_others(names: Names) -> None:
    lookups = Lookups(names)
    patient = asyncio.create_task(lookups("dark.test"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookups("dark.test"), 0.05)
    names.light.set()
    assert await patient == ["127.0.0.1"]
    assert names.asked == ["dark.test"]
    lookups.close()


async def test_a_host_that_stays_dark_is_given_up(names: Names) -> None:
    lookups = Lookups(names, wait_seconds=0.05)
    client = CallbackClient(CallbackPolicy(("dark.test",)), 5, resolve=lookups)
    assert await client.admit("https://dark.test/x") == "dark.test"
    assert await client.post("https://dark.test/x", BODY, HEADERS) == Answer(failure="timeout")
    names.light.set()
    await client.close()
    lookups.close()


async def test_an_answer_is_kept_for_its_time_and_a_failure_not_at_all(names: Names) -> None:
    lookups = Lookups(names, keep_seconds=0.1)
    names.unknown.add("flow.test")
    for _ in range(2):
        with pytest.raises(OSError, match="no answer"):
            await lookups("flow.test")
    names.unknown.clear()
    for _ in range(3):
        await lookups("flow.test")
    assert names.asked == ["flow.test"] * 3
    names.addresses = ["127.0.0.2"]
    assert await lookups("flow.test") == ["127.0.0.1"]
    await asyncio.sleep(0.15)
    assert await lookups("flow.test") == ["127.0.0.2"]
    assert names.asked == ["flow.test"] * 4
    lookups.close()


async def test_what_is_kept_takes_no_room_for_ever(names: Names) -> None:
    lookups = Lookups(names, keep_seconds=0.01)
    for n in range(20):
        await lookups(f"flow{n}.test")
    await asyncio.sleep(0.05)
    assert lookups._answers == {}
    lookups.close()


async def test_closed_lookups_open_again_when_used(names: Names) -> None:
    lookups = Lookups(names)
    lookups.close()
    assert await lookups("flow.test") == ["127.0.0.1"]
    lookups.close()
    assert await lookups("flow.test") == ["127.0.0.1"]
    lookups.close()


async def test_a_name_that_comes_to_lead_elsewhere_is_checked_anew_once_its_answer_has_had_its_time(
    names: Names,
) -> None:
    lookups = Lookups(names, keep_seconds=0.1)
    client = CallbackClient(LOCAL, 5, resolve=lookups)
    async with flow() as receiver:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        names.addresses = ["10.0.0.1"]
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        await asyncio.sleep(0.15)
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(failure="address not permitted")
        assert len(receiver.requests) == 2
    await client.close()
    lookups.close()
