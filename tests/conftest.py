"""What all tests share: how Hypothesis looks for examples, how many tests run at once, and storage."""

import fcntl
import logging
import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import settings

from local.azurite import Azurite
from local.install_azurite import install
from tests.leaks import fail_where_told

# On a build machine the same commit is tried with the same examples, and a slow moment is no failure.
settings.register_profile("build", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("build" if os.environ.get("CI") else "desk")

# As in the app: at their usual level the SDKs log every request.
logging.getLogger("azure").setLevel(logging.WARNING)

MOST_WORKERS = 4  # each has storage and hosts of its own
# Files that are there, for the workers to lock.
DOOR, ROOM = Path(__file__), Path(__file__).with_name("__init__.py")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """All tests share the processors; those that somebody names run in this process, where `-s` and `--pdb` work."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    return max(2, min(os.cpu_count() or 1, MOST_WORKERS))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test that is marked `alone` wait until the other workers pause, and have them wait for it."""
    # Whoever waits for the room keeps the door shut: those who come later do not overtake.
    with DOOR.open("rb") as door, ROOM.open("rb") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail whose log tells a secret, whatever it is about."""
    report = yield
    fail_where_told(report)
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """Real Azurite, for those who empty it before each test."""
    install()
    azurite = Azurite()
    try:
        await azurite.start()
        yield azurite
    finally:
        await azurite.stop()
