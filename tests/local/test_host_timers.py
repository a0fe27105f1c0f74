"""Timer triggers of the local host."""

import time

import aiohttp
import pytest

from local.stack import Stack
from tests.local.conftest import Journal, Until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_timer_runs_at_each_tick(host: Stack, journal: Journal, until: Until) -> None:
    assert host
    before, started = len(journal.of("every_second")), time.monotonic()
    await until(lambda: len(journal.of("every_second")) >= before + 3)
    assert time.monotonic() - started > 1  # two whole seconds lie between three ticks; the first and last may be late
    assert not journal.of("every_second")[-1]["past_due"]


async def test_run_on_startup_and_a_run_on_request(host: Stack, journal: Journal) -> None:
    before = len(journal.of("new_year"))
    assert before
    assert await host.run_timer("new_year")
    assert len(journal.of("new_year")) == before + 1


async def test_a_run_on_request_is_accepted_at_once(host: Stack, journal: Journal, until: Until) -> None:
    before = len(journal.of("new_year"))
    address = host.url.removesuffix("/api") + "/admin/functions/"
    key = {"x-functions-key": host.settings["FUNCTIONS_KEY"]}
    async with aiohttp.ClientSession(address) as session:
        assert (await session.post("new_year", json={}, headers=key)).status == 202
        assert (await session.post("new_year", json={})).status == 401
        assert (await session.post("thing", json={}, headers=key)).status == 404
    await until(lambda: len(journal.of("new_year")) == before + 1)


async def test_a_failed_run_is_told_and_a_disabled_timer_runs_on_request_only(host: Stack, journal: Journal) -> None:
    await host.stop_host()
    await host.start_host(NEW_YEAR_FAILS="1", **{"AzureWebJobs.new_year.Disabled": "true"})
    before = len(journal.of("new_year"))
    assert not await host.run_timer("new_year")
    assert len(journal.of("new_year")) == before + 1
    with pytest.raises(LookupError):
        await host.run_timer("thing")
    await host.stop_host()
