"""What polling costs, and what several pollers at once make of it."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from local.stack import PROJECT
from local.tenant.model import Instance
from local.tenant.records import SegmentEvaluation
from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.composition import Bridge, compose
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.events import EVENT_TYPES, DataSourceRefreshFailed, EventData, StageRefreshCompleted
from shared.settings import Settings
from shared.usecases.poll import REFRESHES
from tests.integration.conftest import DATA_SOURCE_FAILED, MEASURE, SEGMENT, World, now

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = 10_000
MAX_MEGABYTES = 300
MAX_CALLS = 5


def calls_to(world: World, instance: Instance) -> int:
    return sum(count for path, count in world.api.calls.items() if instance.id in path)


async def test_an_idle_poll_makes_five_calls_and_writes_nothing(world: World) -> None:
    instance = world.instance()
    for number in range(100):
        instance.add_segment(f"S{number}", number, now())
        instance.add_measure(f"M{number}", number, now())
        await asyncio.sleep(0)
    await world.subscribe(SEGMENT, "idle", instance, segmentName="S1", threshold=5)
    await world.subscribe(MEASURE, "idle", instance, measureName="M1", threshold=5)
    await world.cycle()
    await world.cycle()
    before = await world.etags(instance)
    assert len(before) == 4
    for _ in range(2):
        world.api.calls.clear()
        await world.cycle()
        assert calls_to(world, instance) <= MAX_CALLS, world.api.calls
    assert await world.etags(instance) == before
    assert world.stack.flows.of("idle") == []


async def test_ten_thousand_segments_and_measures_fit_into_memory(world: World) -> None:
    instance = _large(world)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.probe"),
        cwd=PROJECT,
        env={**os.environ, **world.stack.settings, "CUSTOMER_INSIGHTS_INSTANCES": instance.id},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    etags, calls = [], []
    for _ in range(3):
        world.api.calls.clear()
        line = await process.stdout.readline()
        assert b"polled" in line, line
        etags.append(await world.etags(instance))
        calls.append(calls_to(world, instance))
        if len(etags) == 2:  # everything is evaluated again before the third poll
            _evaluate_all(instance)
        world.api.calls.clear()
        process.stdin.write(b"\n")
    report = json.loads(await process.stdout.readline())
    assert await process.wait() == 0
    megabytes = [kilobytes // 1024 for kilobytes in report["above"]]
    print(f"memory: {report['start'] // 1024} MB at the start, then {megabytes} MB above, {report['seconds']} s a poll")  # noqa: T201
    assert max(megabytes) < MAX_MEGABYTES
    assert etags[0] == etags[1]
    assert etags[2] != etags[1]


def _large(world: World) -> Instance:
    """An instance with very many segments and measures, without a job for each."""
    instance, at = world.instance(), now()
    for number in range(MANY):
        instance.add_segment(f"Segment_{number:05}", number, at, description="All who bought something. " * 4)
        instance.add_measure(f"Measure_{number:05}", number, at)
        instance.workflow.jobs.clear()
    return instance


def _evaluate_all(instance: Instance) -> None:
    at = now()
    for segment in instance.segments.values():
        segment.evaluations.append(SegmentEvaluation(at, "CompletedSuccess", 7, "run"))


class Meeting:
    """Checkpoints that are loaded by all pollers before any of them goes on."""

    def __init__(self, store: CheckpointBlobs, barrier: asyncio.Barrier) -> None:
        self._store, self._barrier = store, barrier

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        loaded = await self._store.load(instance_id, family)
        await self._barrier.wait()
        return loaded

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        found: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._store, name)
        return found


async def test_pollers_that_start_from_the_same_checkpoint_publish_once(world: World) -> None:
    instance = world.instance()
    await world.subscribe(DATA_SOURCE_FAILED, "raced", instance)
    await world.cycle()
    settings = Settings.load({**world.stack.settings, "CUSTOMER_INSIGHTS_INSTANCES": instance.id})
    bridges, barrier = [compose(settings) for _ in range(3)], asyncio.Barrier(3)
    for bridge in bridges:
        inner = bridge.poll._poll_many._poll_instance
        inner._checkpoints = Meeting(inner._checkpoints, barrier)  # type: ignore[arg-type]
    for _ in range(4):
        instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
        await asyncio.gather(*(bridge.poll(REFRESHES) for bridge in bridges))
    assert published(world, instance) == {DataSourceRefreshFailed: [1] * 4, StageRefreshCompleted: [1] * 4}
    await world.settle()
    assert len(world.stack.flows.of("raced")) == 4
    await _close(bridges)


async def test_pollers_that_meet_anywhere_call_the_flow_once(world: World) -> None:
    instance = world.instance()
    await world.subscribe(DATA_SOURCE_FAILED, "met", instance)
    await world.cycle()
    settings = Settings.load({**world.stack.settings, "CUSTOMER_INSIGHTS_INSTANCES": instance.id})
    bridges = [compose(settings) for _ in range(4)]
    for _ in range(6):
        instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())

        async def late(number: int) -> None:
            await asyncio.sleep(number * 0.01)
            await bridges[number].poll(REFRESHES)

        await asyncio.gather(*(late(number) for number in range(len(bridges))))
    await world.settle()
    told = published(world, instance)
    print(f"published by four pollers: {list(told.values())}")  # noqa: T201 - the figure
    assert {kind: len(times) for kind, times in told.items()} == {DataSourceRefreshFailed: 6, StageRefreshCompleted: 6}
    ids = [call.event["id"] for call in world.stack.flows.of("met")]
    assert len(ids) == len(set(ids)) == 6
    await _close(bridges)


def published(world: World, instance: Instance) -> dict[type[EventData], list[int]]:
    """How often each event of the instance was published, by type; each refresh tells of itself and of its stage."""
    mine = (each for each in world.stack.topic.published if each["source"].endswith(instance.id))
    times = Counter((each["type"], each["id"]) for each in mine)
    found = {kind: [count for (name, _), count in times.items() if name == kind.event_type] for kind in EVENT_TYPES}
    return {kind: counts for kind, counts in found.items() if counts}


async def _close(bridges: list[Bridge]) -> None:
    for bridge in bridges:
        await bridge.close()
