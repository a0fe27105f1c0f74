"""What is wired: the health check of the whole app, and what becomes of telemetry that cannot be sent."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
from aiohttp import web

from shared.composition import _health, bridge, compose, wired
from shared.settings import APPLICATION_INSIGHTS, DEFAULTS, Settings
from shared.telemetry import SILENCE
from tests.infra.test_names import EmptyStorage, serving
from tests.test_settings import REQUIRED
from triggers.health import health


class CountingStorage(EmptyStorage):
    """Counts the calls; answers none of them while it is told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.refuses = False

    async def answer(self, request: web.Request) -> web.Response:
        self.count += 1
        if self.refuses:
            return web.Response(status=403)
        return await super().answer(request)


@pytest.fixture
async def storage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingStorage]:
    """The app's own storage, and nothing wired yet."""
    storage = CountingStorage()
    async with serving(storage) as connection_string:
        for name in DEFAULTS:
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            **REQUIRED,
            "AzureWebJobsStorage": connection_string,
            "EVENT_GRID_TOPIC_KEY": "key",
        }.items():
            monkeypatch.setenv(name, value)
        wired.cache_clear()
        _health.cache_clear()
        await bridge().check()
        yield storage
        await bridge().close()
        wired.cache_clear()
        _health.cache_clear()


async def ask() -> int:
    """One anonymous request."""
    return (await health()).status


@pytest.mark.parametrize(("refuses", "status"), [(False, 200), (True, 503)])
async def test_a_hundred_anonymous_requests_make_the_calls_of_one_check(
    storage: CountingStorage, status: int, *, refuses: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = storage.count
    await bridge().check()
    one, before = storage.count - before, storage.count
    storage.refuses = refuses
    assert await asyncio.gather(*(ask() for _ in range(100))) == [status] * 100
    assert [await ask() for _ in range(10)] == [status] * 10
    assert storage.count - before == one
    assert len([record for record in caplog.records if record.name == "bridge.health"]) == int(refuses)


def test_a_reference_instead_of_telemetry_s_address_is_told_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reference = "@Microsoft.KeyVault(VaultName=v;SecretName=s)"
    settings = Settings.load({**REQUIRED, "EVENT_GRID_TOPIC_KEY": "key", APPLICATION_INSIGHTS: reference})
    with caplog.at_level(logging.ERROR, "bridge.telemetry"):
        assert compose(settings).observe._telemetry is SILENCE
    assert [record.getMessage() for record in caplog.records] == [
        f"telemetry.failed reason={APPLICATION_INSIGHTS} is a reference that Azure has not resolved"
    ]


def open_things() -> set[int]:
    """The sessions and pools of threads that somebody has to close, by their identities."""
    found = set()
    for one in gc.get_objects():
        kind = type(one)
        if (issubclass(kind, aiohttp.ClientSession) and not one.closed) or (
            issubclass(kind, ThreadPoolExecutor) and not one._shutdown
        ):
            found.add(id(one))
    return found


async def test_a_bridge_that_is_closed_leaves_nothing_open() -> None:
    storage = CountingStorage()
    async with serving(storage) as connection_string:
        before = open_things()
        made = compose(
            Settings.load({**REQUIRED, "AzureWebJobsStorage": connection_string, "EVENT_GRID_TOPIC_KEY": "key"})
        )
        await made.check()
        await made.status()
        assert open_things() - before, "nothing was open, so nothing could be closed"
        await made.close()
        assert open_things() - before == set()


async def test_what_does_not_close_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    made = compose(Settings.load({**REQUIRED, "EVENT_GRID_TOPIC_KEY": "key"}))
    closed = []

    async def broken() -> None:
        raise ConnectionError("gone")

    made.closers = [broken, lambda: closed.append("after"), *made.closers]
    await made.close()
    assert closed == ["after"]
    assert "bridge.unclosed" in caplog.messages
