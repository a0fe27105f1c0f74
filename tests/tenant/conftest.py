import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Queue

import pytest

from local.tenant.api import KEY_HEADER, Family, TenantApi, serving
from local.tenant.life import Contoso, contoso
from tests.tenant.reading import CustomerInsights

NOW = datetime(2026, 5, 4, 8, 30, 15, 123456, tzinfo=UTC)
TOKEN, KEY = "tenant-token", "subscription-key"
HEADERS = {"Authorization": f"Bearer {TOKEN}", KEY_HEADER: KEY}


@dataclass
class Served:
    """An API on its own thread and event loop, for clients that block."""

    api: TenantApi
    base_url: str = ""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self, loops: Queue[asyncio.AbstractEventLoop]) -> None:
        asyncio.run(self._serve(loops))

    async def _serve(self, loops: Queue[asyncio.AbstractEventLoop]) -> None:
        async with serving(self.api) as self.base_url:
            loops.put(asyncio.get_running_loop())
            await self._stop.wait()

    def client(self) -> CustomerInsights:
        return CustomerInsights(self.base_url)


def serve(world: Contoso, family: Family = "client") -> Iterator[Served]:
    served = Served(TenantApi(world.tenant, token=TOKEN, key=KEY, family=family, clock=lambda: NOW))
    loops: Queue[asyncio.AbstractEventLoop] = Queue()
    thread = threading.Thread(target=served.run, args=(loops,), daemon=True)
    thread.start()
    loop = loops.get(timeout=10)
    yield served
    loop.call_soon_threadsafe(served._stop.set)
    thread.join(timeout=10)


@pytest.fixture
def world() -> Contoso:
    return contoso(NOW)


@pytest.fixture
def served(world: Contoso) -> Iterator[Served]:
    yield from serve(world)


@pytest.fixture
def docs_served(world: Contoso) -> Iterator[Served]:
    yield from serve(world, "docs")
