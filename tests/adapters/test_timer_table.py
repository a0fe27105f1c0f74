"""The table of timers, on real storage and as its fake has it."""

from datetime import timedelta

import pytest

from shared.adapters.poll_table import PollTable
from shared.adapters.timer_table import TimerTable
from shared.domain.checkpoints import Family
from shared.domain.polls import Polled
from shared.domain.timers import HEARTBEAT, Ticked
from shared.errors import FormatError
from shared.ports.polling import TimerStore
from tests.adapters.conftest import NOW, Opened, Storage
from tests.fakes import TimerStoreFake

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(params=[TimerTable, TimerStoreFake])
def timers(request: pytest.FixtureRequest, storage: Storage, opened: Opened[TimerTable]) -> TimerStore:
    return opened(TimerTable(storage.account)) if request.param is TimerTable else TimerStoreFake()


async def test_what_was_written_last_stands(timers: TimerStore) -> None:
    assert list(await timers.all()) == []
    await timers.put(Ticked(Family.JOBS, NOW))
    await timers.put(Ticked(HEARTBEAT, NOW, "token"))
    await timers.put(Ticked(Family.JOBS, NOW + timedelta(minutes=1)))
    found = {ticked.name: ticked for ticked in await timers.all()}
    assert found == {"jobs": Ticked("jobs", NOW + timedelta(minutes=1)), HEARTBEAT: Ticked(HEARTBEAT, NOW, "token")}


async def test_timers_and_polls_share_a_table_and_no_row(storage: Storage, opened: Opened[TimerTable]) -> None:
    timers, polls = opened(TimerTable(storage.account)), PollTable(storage.account)
    await timers.put(Ticked(Family.JOBS, NOW))
    polled = [Polled(instance_id, Family.JOBS, NOW) for instance_id in ("!timers", "*", "i1")]
    for one in polled:
        await polls.put(one, None)
    try:
        assert {one.instance_id async for one in polls.all()} == {one.instance_id for one in polled}
        assert list(await timers.all()) == [Ticked("jobs", NOW)]
    finally:
        await polls.close()


async def test_a_row_of_another_version_is_not_read(storage: Storage, opened: Opened[TimerTable]) -> None:
    timers = opened(TimerTable(storage.account))
    await timers._table.put({"PartitionKey": "!timers", "RowKey": "jobs", "v": 2, "at": NOW.isoformat()})
    with pytest.raises(FormatError):
        await timers.all()
