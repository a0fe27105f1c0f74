"""One stack for all tests here: real Azurite, topic, flows, and the sample app under the local host."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueServiceClient

from local.install_azurite import install
from local.stack import Stack

SAMPLE_APP = Path(__file__).parent / "sample_app"
VISIBILITY = 2  # seconds

type Until = Callable[[Callable[[], Any]], Awaitable[Any]]  # waits for something true, and returns it


class Journal:
    """What the functions of the sample app wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, name: str) -> list[dict[str, Any]]:
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["name"] == name]


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(tmp_path_factory.mktemp("sample") / "journal")


@pytest.fixture
def until() -> Until:
    async def wait(condition: Callable[[], Any], within: float = 10) -> Any:  # noqa: ANN401 - whatever the condition finds
        deadline = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < deadline, "not in time"
            await asyncio.sleep(0.02)
        return found

    return wait


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(journal: Journal) -> AsyncIterator[Stack]:
    install()
    settings = {"JOURNAL": str(journal.path), "EVERY_SECOND": "* * * * * *"}
    async with Stack(SAMPLE_APP, settings=settings, visibility=VISIBILITY) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def host(stack: Stack) -> Stack:
    """The stack with its host running; most tests leave it running for the next."""
    if not stack.is_host_running:
        await stack.start_host()
    return stack


@pytest_asyncio.fixture(loop_scope="session")
async def queues(stack: Stack) -> AsyncIterator[QueueServiceClient]:
    connection = stack.settings["AzureWebJobsStorage"]
    async with QueueServiceClient.from_connection_string(connection, api_version="2025-11-05") as client:
        yield client
