"""A write whose answer is lost, so that the SDK repeats it, is known again, and nobody else's is taken for it."""

import pytest

from shared.adapters.own_writes import write
from shared.adapters.tables import Step, insertion
from shared.errors import LostRaceError
from tests.fakes import ClockFake, Fate
from tests.tables import TableFake

ROW = {"PartitionKey": "p", "RowKey": "r", "count": 1}
# What is written with a row at once, in which calls.
WITH: list[list[Step]] = [[], [insertion({"PartitionKey": "p", "RowKey": "place"})]]


@pytest.fixture
def table() -> TableFake:
    return TableFake(Fate().step, ClockFake())


@pytest.mark.parametrize("steps", WITH, ids=["alone", "with its place"])
async def test_a_write_whose_answer_is_lost_gives_the_version_that_it_has_made(
    table: TableFake, steps: list[Step]
) -> None:
    table.repeated = {"insert", "transact"}
    version = await write(table, ROW, None, *steps)  # type: ignore[arg-type]
    table.repeated = {"replace"}
    version = await write(table, {**ROW, "count": 2}, version)  # type: ignore[arg-type]
    assert (await table.get("p", "r"), table.repeated) == ((table.rows["p", "r"], version), set())
    assert table.rows["p", "r"]["count"] == 2


@pytest.mark.parametrize("steps", WITH, ids=["alone", "with its place"])
async def test_what_another_has_written_is_a_lost_race_though_it_is_the_same(
    table: TableFake, steps: list[Step]
) -> None:
    version = await write(table, ROW, None, *steps)  # type: ignore[arg-type]
    with pytest.raises(LostRaceError):
        await write(table, ROW, None, *steps)  # type: ignore[arg-type]
    await write(table, {**ROW, "count": 2}, version)  # type: ignore[arg-type]
    with pytest.raises(LostRaceError):
        await write(table, {**ROW, "count": 2}, version)  # type: ignore[arg-type]


async def test_what_is_gone_is_a_lost_race(table: TableFake) -> None:
    with pytest.raises(LostRaceError):
        await write(table, ROW, "v7")  # type: ignore[arg-type]
