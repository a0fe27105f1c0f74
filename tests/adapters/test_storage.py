"""What the storage adapters share: how they reach the account, and the keys that any text makes."""

import socket
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.due_table import DueTable
from shared.adapters.queues import DeliveryMessages
from shared.adapters.storage import MAX_KEY, key_of, parts_of
from tests.adapters.conftest import Opened, Storage


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("adapter", [CheckpointBlobs, DeliveryMessages, DueTable])
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


# A character is at most four bytes, of three letters each.
WIDEST = 12


@given(st.lists(st.text(), min_size=1))
def test_any_texts_make_a_key_that_gives_them_back(texts: list[str]) -> None:
    assume(sum(len(text) for text in texts) * WIDEST + len(texts) <= MAX_KEY)  # what is longer is known by its hash
    key = key_of(*texts)
    assert parts_of(key) == texts
    assert not set(key) & set("/\\#?%")
    assert all(" " <= character <= "~" for character in key)
