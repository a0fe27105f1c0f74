"""Run a schedule: let it happen on virtual time, let the bridge come to rest, and look at what became of everything."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from unittest.mock import patch

from shared.domain.checkpoints import Family
from shared.domain.events.data_sources import DataSourceRefreshFailed, DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from tests.survive.cloud import Cloud, Fault, keep_tasks, seconds
from tests.survive.host import Host
from tests.survive.model import judge
from tests.survive.outside import Flows, Topic
from tests.survive.people import People
from tests.survive.schedule import Schedule, Step
from tests.survive.stores import Storage
from tests.survive.tenant import INSTANCE, Refresh, Tenant
from tests.survive.witness import Witness
from tests.survive.worker import Outside
from tests.virtual_time import NOON, run

# After the schedule the timers poll for so long, and what waits is waited for at most so long. Seconds.
CATCHES_UP, MOST = 660, 4 * 3_600
MINUTE = 60
# Calls are counted by their names behind this.
CALLS_OF = "calls of "


@dataclass(slots=True)
class Outcome:
    """What came of a schedule: what is wrong, and what was counted."""

    problems: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let the operating system's chance be the seed's: ids and secrets are the same each time."""
    chance = Random(seed)  # noqa: S311 - nothing here is secret
    with patch("os.urandom", chance.randbytes), patch("random._urandom", chance.randbytes):
        yield


@contextmanager
def silent() -> Iterator[None]:
    """Log nothing: most of what would be logged is what is tried."""
    was = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(was)


def survive(schedule: Schedule, *, traced: bool = False) -> Outcome:
    """Let a schedule happen."""
    with silent(), seeded(schedule.seed):
        return run(World(schedule, traced=traced).survive())


class World:
    """A bridge, what is around it, and what happens to them."""

    def __init__(self, schedule: Schedule, *, traced: bool) -> None:
        self.schedule = schedule
        self.cloud = Cloud(schedule.seed, schedule.faults)
        self.cloud.trace = [] if traced else None
        storage = Storage(self.cloud)
        self.outside = Outside(storage, Flows(self.cloud), Topic(self.cloud, storage.queues["events"]), Tenant(NOON))
        self.host = Host(self.cloud, self.outside, schedule.settings, polls=schedule.polls)
        self.people = People(self.host, schedule.flows)
        self.witness = Witness(schedule, self.outside, self.host, self.people)

    async def survive(self) -> Outcome:
        """Let all of it happen, then nothing more, and see."""
        asyncio.get_running_loop().set_task_factory(keep_tasks)
        for _ in range(self.schedule.workers):
            self.host.start()
        timers = asyncio.create_task(self.host.run_timers())
        self.cloud.is_calm = True
        for flow in range(len(self.schedule.flows)):
            await self.people.ask("subscribe", flow)
        if self.schedule.polls:
            self.host.tick("thresholds")
            await asyncio.sleep(2)
        self.cloud.calls.clear()
        self.cloud.is_calm = False
        begun = [asyncio.create_task(self._happen(step)) for step in self.schedule.happenings]
        await asyncio.gather(*begun)
        await self._calm_down()
        timers.cancel()
        problems = judge(self.witness)
        return Outcome(problems, self._counts(), self.cloud.trace or [])

    async def _happen(self, step: Step) -> None:
        await asyncio.sleep(max(0.0, step.at - seconds()))
        if self.cloud.trace is not None:
            self.cloud.trace.append(f"{seconds():10.3f} -- {step}")
        if not (self._happens_outside(step) or self._happens_to_the_host(step)):
            await self.people.ask(step.do, int(str(step.of[0])))

    def _happens_outside(self, step: Step) -> bool:
        """Let it happen in the tenant, to a flow or to a checkpoint, if that is what it is about."""
        tenant = self.outside.tenant
        match step.do, step.of:
            case "refresh", (str(source), str(outcome), int(number)):
                for each in range(number):
                    self._refresh(source, outcome, each)
            case "value", (str(kind), int(value)):
                tenant.value(kind, value, self.cloud.now())
            case "credentials", (str(source),):
                tenant.turn(source, self.cloud.now())
            case "checkpoint restored", (str(family), int(back)):
                self.outside.storage.restore_checkpoint(Family(family), back)
            case "api", (str(trouble),):
                tenant.trouble = None if trouble == "well" else trouble
                self.witness.outages.append((seconds(), tenant.trouble))
            case "flow", (int(flow), mood):
                self.outside.flows.moods[self.people.url(flow)] = mood  # type: ignore[assignment]
            case _:
                return False
        return True

    def _happens_to_the_host(self, step: Step) -> bool:
        """Let it happen to processes, clocks and timers, if that is what it is about."""
        host = self.host
        match step.do, step.of:
            case "timers", (str(how),):
                host.timers_stand_still = how == "stop"
            case "clock jumps", (int(jump),):
                for worker in list(host.workers.values())[: 1 + (jump < 0)]:
                    worker.process.skew += timedelta(seconds=jump)
            case (("dies" | "stops"), ()):
                if (worker := host.any_worker("dies", int(step.at))) is not None:
                    host.kill(worker.process, restart=step.do == "dies")
            case "starts", ():
                host.start()
            case "ticks twice", ():
                for name in ("refreshes", "thresholds") if self.schedule.polls else ("advance", "observe"):
                    host.tick(name)
                    host.tick(name, beside=True)
            case _:
                return False
        return True

    def _refresh(self, source: str, outcome: str, number: int) -> None:
        at = self.cloud.now() + timedelta(milliseconds=number)
        while any(at == one.at for one in self.outside.tenant.refreshes):
            at += timedelta(microseconds=100)
        self.outside.tenant.refresh(source, outcome, at)
        if not self.schedule.polls:
            self.outside.topic.take([event_of(self.outside.tenant.refreshes[-1]).raw])

    async def _calm_down(self) -> None:
        """Let all be well, and wait until nothing is left to do; then have people let out what is held."""
        self.cloud.is_calm = True
        self.host.timers_stand_still = False
        self.outside.tenant.trouble = None
        for worker in self.host.workers.values():
            worker.process.skew = timedelta(0)
        self.witness.calm_from = seconds()
        for flow in range(len(self.schedule.flows)):
            self.outside.flows.moods[self.people.url(flow)] = "takes"
        if self.schedule.polls:
            await asyncio.sleep(CATCHES_UP)
            self.host.polls = False
        await self._rest()
        self.witness.is_at_rest()
        for flow in range(len(self.schedule.flows)):
            await self.people.ask("activate", flow)
        await self._rest()
        if not self.host.workers:
            await asyncio.sleep(MINUTE)

    async def _rest(self) -> None:
        end = seconds() + MOST
        while seconds() < end:
            await asyncio.sleep(MINUTE - seconds() % MINUTE + 1)
            if self.host.is_idle and not self.witness.owes:
                return

    def _counts(self) -> Counter[str]:
        counts = Counter(self.witness.counts)
        counts["schedules"] = 1
        counts["steps"] = len(self.schedule.steps)
        counts["calls of ports"] = sum(self.cloud.calls.values())
        counts.update({f"{CALLS_OF}{name}": number for name, number in self.cloud.calls.items()})
        counts["crashes"] = len(self.host.deaths)
        counts["faults"] = sum(1 for _, _, fault in self.cloud.struck if isinstance(fault, Fault))
        return counts


def event_of(refresh: Refresh) -> Event:
    """The event of a refresh, where nobody polls."""
    kind = DataSourceRefreshSucceeded if refresh.outcome == "successful" else DataSourceRefreshFailed
    data = kind(instance_id=INSTANCE, data_source_id=refresh.source, friendly_name=refresh.source)
    return Event.of(data, time=refresh.at, occurrence=[refresh.source, refresh.job_id])
