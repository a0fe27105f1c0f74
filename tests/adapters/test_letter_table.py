"""The log of dead letters, on a real table as in the tests' fake."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.letter_table import DeadLetterTable
from shared.domain.letters import DeadLetter, letter_id
from shared.domain.logs import ALWAYS, Between
from shared.domain.pages import Slice
from shared.errors import FormatError, InvalidInputError
from tests.adapters.conftest import NOW, Opened, Storage
from tests.fakes import DeadLetterLogFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Log = DeadLetterTable | DeadLetterLogFake

DAY = timedelta(days=1)
NO_IDS = ["", ".", "..", "nobody", "a/b", "a#b?c", "a'b", "\0", "Größe", "x" * 5_000]
FULL = DeadLetter(letter_id(NOW, "full"), "delivery", "HTTP 410", NOW, '{"id":"e1"}', "s1", "e1", "t1", 3, 410)
BARE = DeadLetter(letter_id(NOW, "bare"), "message", "queue events: unreadable", NOW, "")
# Recorded a while after they were dispatched, some of them on the edge of a time.
LETTERS = [
    DeadLetter(
        letter_id(NOW - number * DAY, str(number)),
        ("delivery", "message")[number % 3 == 0],
        "HTTP 410",
        NOW - number * DAY + number % 4 * timedelta(hours=20),
        "{}",
        ("s1", "s2", None)[number % 3 - 1],
    )
    for number in range(17)
]


@pytest.fixture
def table(storage: Storage, opened: Opened[DeadLetterTable]) -> DeadLetterTable:
    return opened(DeadLetterTable(storage.account))


@pytest.fixture(params=["table", "fake"])
def log(request: pytest.FixtureRequest, table: DeadLetterTable) -> Log:
    return table if request.param == "table" else DeadLetterLogFake()


async def listed(log: Log, limit: int = 500, **wanted: Any) -> list[DeadLetter]:  # noqa: ANN401 - as the port has it
    """All pages, each as full as it has to be."""
    found: list[DeadLetter] = []
    part = Slice(limit)
    while True:
        page = await log.page(part, **wanted)
        found += page.items
        assert len(page.items) == limit or page.cursor is None
        assert page.items or part.cursor is None
        if page.cursor is None:
            return found
        part = Slice(limit, page.cursor)


@pytest.mark.parametrize("letter", [FULL, BARE], ids=["full", "bare"])
async def test_a_letter_comes_back_as_recorded_until_it_is_removed(log: Log, letter: DeadLetter) -> None:
    await log.record(letter)
    assert (await log.get(letter.id), await listed(log), await log.count(9)) == (letter, [letter], 1)
    assert await log.remove(letter.id) is True
    assert (await log.get(letter.id), await listed(log), await log.count(9)) == (None, [], 0)
    assert await log.remove(letter.id) is False


async def test_a_letter_takes_the_place_of_the_one_before_and_is_not_removed_for_it(log: Log) -> None:
    later = replace(FULL, recorded_at=NOW + DAY, status=400)
    await log.record(FULL)
    await log.record(later)
    assert await log.remove(FULL.id, FULL.recorded_at) is False
    assert await listed(log) == [later]
    assert await log.remove(FULL.id, later.recorded_at) is True
    assert await listed(log) == []


@pytest.mark.parametrize("letter_id", NO_IDS)
async def test_what_is_not_there_is_not_found(log: Log, letter_id: str) -> None:
    await log.record(FULL)
    assert (await log.get(letter_id), await log.remove(letter_id)) == (None, False)


async def test_an_empty_log_has_nothing(log: Log) -> None:
    assert (await log.get(FULL.id), await listed(log), await log.count(1)) == (None, [], 0)


async def test_its_table_is_created_when_it_is_missing(table: DeadLetterTable, storage: Storage) -> None:
    await table.check()
    assert await storage.names() == {"table deadletters"}


async def test_a_letter_that_many_record_is_one(log: Log) -> None:
    await asyncio.gather(*(log.record(FULL) for _ in range(5)))
    assert await listed(log) == [FULL]


async def test_lists_hold_what_was_asked_for_the_latest_first_in_pages_of_any_size(log: Log) -> None:
    for letter in LETTERS:
        await log.record(letter)
    for limit in (1, 2, 16, 17, 500):
        assert await listed(log, limit) == LETTERS
    edge = LETTERS[9].recorded_at
    for since, until in [(None, None), (edge, None), (None, edge), (edge, edge + DAY), (edge, edge), (NOW, edge)]:
        for subscription_id, kind in [
            (None, None),
            ("s1", None),
            (None, "message"),
            ("s2", "delivery"),
            ("nobody", None),
        ]:
            expected = [
                it
                for it in LETTERS
                if (since is None or since <= it.recorded_at)
                and (until is None or it.recorded_at < until)
                and subscription_id in {None, it.subscription_id}
                and kind in {None, it.kind}
            ]
            wanted = {"subscription_id": subscription_id, "kind": kind, "between": Between(since, until)}
            assert await listed(log, 3, **wanted) == expected


async def test_a_letter_that_goes_meanwhile_moves_no_other(log: Log) -> None:
    for letter in LETTERS:
        await log.record(letter)
    page = await log.page(Slice(5))
    for letter in page.items:
        await log.remove(letter.id)
    assert (await log.page(Slice(5, page.cursor))).items == LETTERS[5:10]


@pytest.mark.parametrize("cursor", ["", "x", "é", "e30=", "WzEsICJldmVudHMiLCAiLi4iXQ=="])
async def test_what_is_no_cursor_is_said_to_be_none(log: Log, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await log.page(Slice(1, cursor), between=ALWAYS)
    assert list(refused.value.fields) == ["cursor"]


@pytest.mark.parametrize(("most", "counted"), [(1, 1), (16, 16), (17, 17), (18, 17), (1_001, 17)])
async def test_no_more_are_counted_than_asked_for(log: Log, most: int, counted: int) -> None:
    for letter in LETTERS:
        await log.record(letter)
    assert await log.count(most) == counted


@pytest.mark.parametrize("body", ["\x00\x01", "é" * 65_536, "x" * 200_000, "}"])
async def test_a_letter_of_any_body_is_kept_whole(log: Log, body: str) -> None:
    letter = replace(BARE, body=body)
    await log.record(letter)
    assert await log.get(letter.id) == letter


async def test_what_no_row_holds_is_cut_and_not_refused(table: DeadLetterTable) -> None:
    letter = replace(BARE, body="aé" * 600_000, reason="why " * 50_000)
    await table.record(letter)
    kept = await table.get(letter.id)
    assert kept is not None
    assert len(kept.body.encode()) > 700_000
    assert letter.body.startswith(kept.body)
    assert letter.reason.startswith(kept.reason)


async def test_an_event_with_half_a_character_comes_back_as_json(table: DeadLetterTable) -> None:
    body = json.dumps({"name": "\ud800"}, ensure_ascii=False)
    await table.record(replace(FULL, body=body))
    kept = await table.get(FULL.id)
    assert kept is not None
    assert json.loads(kept.body) == json.loads(body)


ROW = {
    "PartitionKey": "letters",
    "RowKey": "98204797794999-3f1c2b7a9d0e4f55",
    "v": 1,
    "kind": "delivery",
    "reason": "HTTP 410",
    "recordedAt": "2026-11-20T03:12:50.000000+00:00",
    "subscriptionId": "s1",
    "eventId": "e1",
    "eventType": "CustomerInsights.DataSource.RefreshFailed",
    "attempts": 3,
    "status": 410,
    "body0": b'{"id":"e1"}',
}
SAMPLE = DeadLetter(
    "98204797794999-3f1c2b7a9d0e4f55",
    "delivery",
    "HTTP 410",
    datetime(2026, 11, 20, 3, 12, 50, tzinfo=UTC),
    '{"id":"e1"}',
    "s1",
    "e1",
    "CustomerInsights.DataSource.RefreshFailed",
    3,
    410,
)


async def test_the_stored_form_is_what_it_was(table: DeadLetterTable, storage: Storage) -> None:
    await table.record(SAMPLE)
    assert await storage.rows("deadletters") == [ROW]
    assert await table.get(SAMPLE.id) == SAMPLE


async def test_another_form_is_left_alone_and_said_to_be_another(table: DeadLetterTable, storage: Storage) -> None:
    async with await storage.tables.create_table_if_not_exists("deadletters") as client:
        await client.upsert_entity({**ROW, "v": 2})
    for asked in (table.get(SAMPLE.id), table.remove(SAMPLE.id), table.page(Slice())):
        with pytest.raises(FormatError):
            await asked
    assert await storage.rows("deadletters") == [{**ROW, "v": 2}]
    assert await table.count(9) == 1
