"""What the storage adapters share: how they reach the account, and the keys that any text makes."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.due_table import DueTable
from shared.adapters.queues import DeliveryMessages
from shared.adapters.storage import MAX_KEY, Account, key_of, named_errors, parts_of
from shared.adapters.tables import Table
from shared.errors import ConfigurationError, TransientError
from tests.adapters.conftest import Opened, Storage
from tests.virtual_time import run

ADAPTERS: Sequence[Any] = (CheckpointBlobs, DeliveryMessages, DueTable)
PAGE = b"<!doctype html><title>Sign in</title>"


def account_at(server: asyncio.Server) -> Account:
    """An account whose services are one server."""
    port = server.sockets[0].getsockname()[1]
    ends = ";".join(f"{each}Endpoint=http://127.0.0.1:{port}/a" for each in ("Blob", "Queue", "Table"))
    return Account(f"AccountName=a;AccountKey=a2V5;{ends}")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_storage_is_reached_directly_whatever_proxy_the_environment_names(
    adapter: Any,  # noqa: ANN401 - any adapter
    storage: Storage,
    opened: Opened[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as nobody, monkeypatch.context() as environment:
        nobody.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "https_proxy"):
            environment.setenv(name, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            environment.delenv(name, raising=False)
        await opened(adapter(storage.account)).check()
    assert len(await storage.names()) == 1


@pytest.mark.asyncio(loop_scope="session")
async def test_storage_that_takes_a_call_and_never_answers_is_given_up_and_asked_again(
    opened: Opened[Any],
) -> None:
    asked = 0

    async def keep_silent_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked <= len(ADAPTERS):
            await reader.read()  # until the other side has had enough
        else:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(keep_silent_at_first, "127.0.0.1", 0) as server:
        checks = [opened(adapter(account_at(server))).check() for adapter in ADAPTERS]
        async with asyncio.timeout(30):
            found = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(error) for error in found] == [ConfigurationError] * len(ADAPTERS)


def test_an_answer_of_storage_that_comes_too_slowly_is_given_up() -> None:
    async def drip() -> None:
        async with named_errors("the table"):
            await asyncio.sleep(600)

    with pytest.raises(TransientError, match="the table does not answer in time"):
        run(drip())


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("length", [len(PAGE), 2 * len(PAGE)], ids=["another content", "cut short"])
async def test_an_answer_of_storage_that_cannot_be_read_may_be_better_the_next_time(
    opened: Opened[Any], length: int
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (length, PAGE))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        account = account_at(server)
        reads = [opened(Table(account, "due")).get("a", "b"), opened(DeliveryMessages(account)).oldest()]
        found = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(error) for error in found] == [TransientError, TransientError]


# A character is at most four bytes, of three letters each.
WIDEST = 12


@given(st.lists(st.text(), min_size=1))
def test_any_texts_make_a_key_that_gives_them_back(texts: list[str]) -> None:
    assume(sum(len(text) for text in texts) * WIDEST + len(texts) <= MAX_KEY)  # what is longer is known by its hash
    key = key_of(*texts)
    assert parts_of(key) == texts
    assert not set(key) & set("/\\#?%")
    assert all(" " <= character <= "~" for character in key)
