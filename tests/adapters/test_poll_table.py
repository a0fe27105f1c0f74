"""The table of polls, on real storage and as its fake has it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.own_writes import MARK
from shared.adapters.poll_table import PollTable
from shared.adapters.timer_table import POLLS
from shared.domain.checkpoints import Family
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.polls import Polled
from shared.errors import FormatError, LostRaceError
from shared.ports.polling import PollStore
from tests.adapters.conftest import NOW, Opened, Storage
from tests.fakes import PollStoreFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOBS = Family.JOBS
FULL = Polled("i1", JOBS, NOW, "Größe", NOW - timedelta(hours=1), NOW - timedelta(minutes=1), "down; é", 7)
SAMPLE = {
    "PartitionKey": "i1",
    "RowKey": "data-sources",
    "v": 1,
    "instanceId": "i1",
    "lastPollAt": "2026-11-20T03:12:45.123456+00:00",
    "pendingEvents": 0,
}


@pytest.fixture(params=[PollTable, PollStoreFake])
def polls(request: pytest.FixtureRequest, storage: Storage, opened: Opened[PollTable]) -> PollStore:
    return opened(PollTable(storage.account)) if request.param is PollTable else PollStoreFake()


async def all_of(polls: PollStore) -> list[Polled]:
    return [polled async for polled in polls.all()]


async def test_before_the_first_poll_there_is_nothing(polls: PollStore) -> None:
    assert await polls.get("i1", JOBS) is None
    assert await all_of(polls) == []


@pytest.mark.parametrize("polled", [FULL, Polled("i1", JOBS, NOW), FULL.succeeded(), Polled(EVERY_INSTANCE, JOBS, NOW)])
async def test_what_is_written_comes_back(polls: PollStore, polled: Polled) -> None:
    await polls.put(polled, None)
    found = await polls.get(polled.instance_id, JOBS)
    assert found is not None
    assert found[0] == polled
    assert await all_of(polls) == [polled]


async def test_there_is_one_row_for_an_instance_and_family(polls: PollStore) -> None:
    version = await polls.put(FULL, None)
    recovered = FULL.succeeded()
    await polls.put(recovered, version)
    assert await all_of(polls) == [recovered]


async def test_whoever_has_not_seen_what_stands_there_does_not_replace_it(polls: PollStore) -> None:
    told = replace(FULL, failures=3, is_told=True, owed=({"id": "1", "data": {"text": "é"}},))
    version = await polls.put(FULL, None)
    newer = await polls.put(told, version)
    for stale in (None, version):
        with pytest.raises(LostRaceError):
            await polls.put(FULL, stale)
    assert await polls.get("i1", JOBS) == (told, newer)
    await polls.remove(told)
    with pytest.raises(LostRaceError):
        await polls.put(FULL, newer)


async def test_all_come_by_instance(polls: PollStore) -> None:
    written = [Polled(id_, family, NOW) for id_ in ("i2", "a/b#?", "i1", "*") for family in Family]
    for polled in written:
        await polls.put(polled, None)
    found = await all_of(polls)
    assert set(found) == set(written)
    ids = [polled.instance_id for polled in found]
    assert [id_ for place, id_ in enumerate(ids) if id_ not in ids[:place]] == ids[:: len(Family)]


async def test_the_form_of_a_row_is_this(storage: Storage, opened: Opened[PollTable]) -> None:
    """What is stored stays readable: change the version with the form, and keep the old sample beside the new."""
    polls = opened(PollTable(storage.account))
    await polls.put(Polled("i1", Family.DATA_SOURCES, NOW), None)
    [row] = await storage.rows(POLLS)
    assert row == {**SAMPLE, MARK: row[MARK]}


async def test_a_row_of_another_version_is_left_alone(storage: Storage, opened: Opened[PollTable]) -> None:
    polls = opened(PollTable(storage.account))
    await polls.put(Polled("i1", JOBS, NOW), None)
    table = storage.tables.get_table_client(POLLS)
    await table.upsert_entity({**SAMPLE, "v": 2})
    with pytest.raises(FormatError):
        await polls.get("i1", Family.DATA_SOURCES)
    with pytest.raises(FormatError):
        await all_of(polls)
