import base64
import json
from collections.abc import AsyncGenerator
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.paging import page, position
from shared.domain.pages import Slice
from shared.errors import InvalidInputError

KEYS = [f"{number:018d}-a" for number in range(23)]


async def rows(part: Slice, read: list[str]) -> AsyncGenerator[dict[str, Any]]:
    behind = position(part, "things")
    for key in KEYS:
        if behind is None or key > behind:
            read.append(key)
            yield {"RowKey": key}


@pytest.mark.parametrize("limit", [1, 2, 22, 23, 24, 500])
async def test_pages_of_any_size_are_the_whole_list(limit: int) -> None:
    found: list[str] = []
    part = Slice(limit)
    while True:
        read: list[str] = []
        some = await page(rows(part, read), part, "things", itemgetter("RowKey"))
        found += some.items
        assert len(some.items) == min(limit, len(KEYS) - len(found) + len(some.items))
        assert len(read) <= limit + 1
        assert (some.cursor is None) == (len(found) == len(KEYS))
        if some.cursor is None:
            break
        part = Slice(limit, some.cursor)
    assert found == KEYS


def cursor(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def test_a_cursor_is_its_own_lists() -> None:
    assert position(Slice(1, cursor(1, "things", KEYS[3])), "things") == KEYS[3]
    with pytest.raises(InvalidInputError):
        position(Slice(1, cursor(1, "things", KEYS[3])), "others")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "!",
        "é",
        "e30",
        "e30=",
        cursor(),
        cursor(2, "things", KEYS[3]),
        cursor("1", "things", KEYS[3]),
        cursor(1, "things"),
        cursor(1, "things", None),
        cursor(1, "things", "letters"),
        cursor(1, "things", "9" * 19 + "-a"),
        cursor(1, "things", KEYS[3] + "\0"),
        cursor(1, "things", KEYS[3] + "a" * 512),
        base64.urlsafe_b64encode(b"[" * 60_000).decode(),
    ],
)
def test_what_is_no_cursor_is_said_to_be_none(wrong: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        position(Slice(1, wrong), "things")
    assert list(refused.value.fields) == ["cursor"]


@given(st.text() | st.binary().map(lambda some: base64.urlsafe_b64encode(some).decode()))
def test_no_text_does_anything_else(text: str) -> None:
    with pytest.raises(InvalidInputError):
        position(Slice(1, text), "things")
