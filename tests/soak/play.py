"""A soak: a lively tenant, flows that are not well, people, and two hosts on one storage that die now and then."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from local.child import Child
from local.demo.accounting import Row
from local.demo.flows import DemoFlow
from local.flows import Disabled, Healthy
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.life import LivelyTenant, Occurrence, contoso
from tests.leaks import Secrets
from tests.soak.accounting import TIMEOUT, Found, Tally, account, tallies
from tests.soak.flows import AT_LAST, OFF_AT_LAST, PAUSED_AT_LAST, STEADY, have_moods, soak_flows
from tests.soak.people import People
from tests.soak.samples import FIRST, PLACES, SECOND, Looker, Sample
from tests.storage import Storage

SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": "*/3 * * * * *",
    "POLL_THRESHOLDS_SCHEDULE": "*/3 * * * * *",
    "CALLBACK_TIMEOUT_SECONDS": str(TIMEOUT),
    "DELIVERY_RETRY_SECONDS": "1,2,4",
}
FAMILIES = 4
# No attempt is under way for so long.
LEFT_AFTER = timedelta(minutes=1)
# A message stays hidden for so long after the death of the host that works on it. Seconds.
VISIBILITY = 30
BASELINE_WITHIN = 30.0
SETTLED_WITHIN = 300.0
# Something occurs every so many seconds, and a host is killed.
PAUSES = (1.0, 2.5)
BETWEEN_DEATHS = (8.0, 30.0)
DEAD_FOR = (0.0, 4.0)
# So many samples are taken, but none sooner than this after another. Seconds.
SAMPLES = 120
SHORTEST = 3.0
UNWELL = (503, 429, 500)


@dataclass(slots=True)
class Outcome:
    """What came of a soak; times are seconds since the beginning. `alone_since`: the first host is killed no more."""

    minutes: float
    rows: Sequence[Row]
    tallies: Sequence[Tally]
    samples: Sequence[Sample]
    deaths: Mapping[str, Sequence[float]]
    alone_since: float
    done: Mapping[str, int]


@dataclass(slots=True)
class Soak:
    """A soak under way."""

    stack: Stack
    instance_id: str
    flows: Sequence[DemoFlow]
    people: People
    looker: Looker
    secrets: Secrets
    told: set[str]
    chance: random.Random
    began: datetime
    say: Callable[[str], object]
    hosts: dict[str, Child] = field(default_factory=dict)
    deaths: dict[str, list[datetime]] = field(default_factory=lambda: {FIRST: [], SECOND: []})
    occurrences: list[Occurrence] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    suspended: set[str] = field(default_factory=set)

    def seconds(self, at: datetime) -> float:
        return (at - self.began).total_seconds()

    async def start(self, host: str) -> None:
        """Start a host, again or for the first time."""
        if host == FIRST:
            await self.stack.start_host()
            self.hosts[host] = self.stack.host
        else:
            self.hosts[host] = await self.stack.start_another_host()

    async def subscribe(self, flow: DemoFlow) -> str:
        url = self.stack.flows.url(flow.name)
        self.secrets.keep(f"the signature of {flow.name}", url.rpartition("sig=")[2])
        body = flow.body(url, self.instance_id)
        answer = await self.people.call("POST", f"/triggers/{flow.slug}/subscriptions", body)
        assert answer.status in {200, 201}, answer.body
        return str(answer.json()["id"])

    async def live(self, tenant: LivelyTenant) -> None:
        """Let things occur."""
        while True:
            self.occurrences += tenant.happen(datetime.now(UTC)).makes
            await asyncio.sleep(self.chance.uniform(*PAUSES))

    async def kill(self, alone_since: float) -> None:
        """Kill one host or the other at any moment, and start it again."""
        while True:
            await asyncio.sleep(self.chance.uniform(*BETWEEN_DEATHS))
            is_alone = self.seconds(datetime.now(UTC)) >= alone_since
            host = SECOND if is_alone else self.chance.choice((FIRST, SECOND))
            await self.hosts[host].kill()
            self.deaths[host].append(datetime.now(UTC))
            await asyncio.sleep(self.chance.uniform(*DEAD_FOR))
            await self.start(host)

    async def rain(self) -> None:
        """Have the topic refuse events, and deliver some twice, as Event Grid does."""
        while True:
            await asyncio.sleep(self.chance.uniform(5, 20))
            refused, count = self.stack.topic.refused, self.chance.randint(1, 3)
            self.stack.topic.fail_next(count, self.chance.choice(UNWELL))
            self.stack.topic.repeat_next(self.chance.randint(1, 5))
            while self.stack.topic.refused < refused + count:  # noqa: ASYNC110 - other processes publish
                await asyncio.sleep(1)

    async def look(self, every: float) -> None:
        while True:
            await self.sample()
            await asyncio.sleep(every)

    async def sample(self) -> None:
        at = self.seconds(datetime.now(UTC))
        events = len({event["id"] for event in self.stack.topic.published})
        self.samples.append(await self.looker.look(at, self.hosts, events))
        suspended = await self.people.list("/subscriptions?status=suspended")
        self.suspended |= {each["label"] for each in suspended}
        deaths, calls = sum(map(len, self.deaths.values())), len(self.stack.flows.calls)
        self.say(f"{len(self.occurrences):,} occurrences, {events:,} events, {calls:,} calls, {deaths} deaths of hosts")

    async def found(self) -> Found:
        subscriptions = await self.people.list("/subscriptions")
        active = {each["label"] for each in subscriptions if each["status"] == "active"}
        stages = {}
        for flow, id_ in self.people.ids.items():
            each = await self.people.list(f"/subscriptions/{id_}/deliveries?limit=500")
            stages[flow] = {one["eventId"]: stands(one, is_active=flow in active) for one in each}
        held = {each["label"]: each["held"] for each in subscriptions}
        killed = [at for times in self.deaths.values() for at in times]
        return Found(
            published=tuple(self.stack.topic.published),
            calls=tuple(self.stack.flows.calls),
            stages=stages,
            killed=killed,
            asked=self.people.asked,
            held=held,
            places=(await self.looker.rows()).get(PLACES, 0),
            suspended=frozenset(self.suspended),
            active=frozenset(active),
        )

    async def leaks(self) -> set[str]:
        """The secrets that stand in the hosts' logs, in the storage or in what was published."""
        text = json.dumps(self.stack.topic.published) + await self.looker.storage.text()
        return self.told | self.secrets.found_in(text)


def stands(delivery: Mapping[str, Any], *, is_active: bool) -> str:
    """Its stage. What a host had let out when it died keeps its place in the backlog until it is let out again."""
    since = datetime.now(UTC) - datetime.fromisoformat(delivery["updatedAt"])
    left = delivery["stage"] == "attempting" and not is_active and since > LEFT_AFTER
    return "held" if left else str(delivery["stage"])


async def play(minutes: float, say: Callable[[str], object], seed: int = 1) -> Outcome:
    """Soak for so many minutes, let it settle, and count; `say` is told how it goes."""
    tenant, access, chance = contoso(datetime.now(UTC)), Access(), random.Random(seed)  # noqa: S311
    secrets, told = Secrets(), set[str]()
    flows = soak_flows(tenant)
    async with AsyncExitStack() as open_:
        stack = await open_.enter_async_context(
            Stack(
                PROJECT,
                tenant=access.app(tenant.tenant),
                settings=access.settings | SETTINGS,
                on_line=lambda line: told.update(secrets.found_in(line)),
                visibility=VISIBILITY,
            )
        )
        secrets.keep_settings(stack.settings)
        looker = Looker(await open_.enter_async_context(Storage.opened(stack.settings["AzureWebJobsStorage"])))
        people = People(stack, {}, chance, datetime.now(UTC))
        now = datetime.now(UTC)
        soak = Soak(stack, tenant.instance.id, flows, people, looker, secrets, told, chance, now, say)
        try:
            return await _play(soak, LivelyTenant(tenant.instance, random.Random(seed)), minutes * 60)  # noqa: S311
        finally:
            if SECOND in soak.hosts:
                await soak.hosts[SECOND].stop()


async def _play(soak: Soak, tenant: LivelyTenant, seconds: float) -> Outcome:
    await soak.start(FIRST)
    await soak.start(SECOND)
    await _until(lambda: _has_baseline(soak), BASELINE_WITHIN)
    soak.people.ids |= {flow.name: await soak.subscribe(flow) for flow in soak.flows}
    await asyncio.sleep(2)  # the next polls see whom they poll for
    soak.began = soak.people.since = datetime.now(UTC)
    await _live_through(soak, tenant, seconds)
    soak.say("What is under way comes to its end.")
    await _settle(soak)
    await soak.sample()
    found = replace(await soak.found(), told=frozenset(await soak.leaks()))
    return Outcome(
        seconds / 60,
        account(soak.occurrences, soak.flows, found),
        tallies(soak.occurrences, soak.flows, found),
        soak.samples,
        {host: [round(soak.seconds(at), 1) for at in times] for host, times in soak.deaths.items()},
        seconds / 2,
        soak.people.done,
    )


async def _live_through(soak: Soak, tenant: LivelyTenant, seconds: float) -> None:
    moody = [flow for flow in soak.flows if flow.name != STEADY]
    theirs = [flow.name for flow in moody if flow.name not in AT_LAST]
    moods = {
        flow.name: asyncio.create_task(have_moods(soak.stack.flows, flow, soak.chance, soak.subscribe))
        for flow in moody
    }
    others = [
        asyncio.create_task(each)
        for each in (
            soak.live(tenant),
            soak.kill(seconds / 2),
            soak.rain(),
            soak.people.meddle(theirs),
            soak.people.meddle(theirs),
            soak.look(max(SHORTEST, seconds / SAMPLES)),
        )
    ]
    try:
        await _first_failure([*moods.values(), *others], seconds * 2 / 3)
        for name in AT_LAST:
            await _cancel(moods.pop(name))
        soak.stack.flows.behave(OFF_AT_LAST, Disabled())
        soak.stack.flows.behave(PAUSED_AT_LAST, Healthy())
        await soak.people.change(PAUSED_AT_LAST, "paused")
        await _first_failure([*moods.values(), *others], seconds / 3)
    finally:
        for task in (*moods.values(), *others):
            await _cancel(task)


async def _settle(soak: Soak) -> None:
    """Have both hosts run and all flows well that are to be, and wait until all has come to its end."""
    if not soak.stack.is_host_running:
        await soak.start(FIRST)
    soak.hosts[FIRST] = soak.stack.host
    if not soak.hosts[SECOND].is_running:
        await soak.start(SECOND)
    for flow in soak.flows:
        if flow.name not in AT_LAST:
            soak.stack.flows.behave(flow.name, Healthy())
            await soak.subscribe(flow)
            await soak.people.change(flow.name, "active")
    await soak.people.change(PAUSED_AT_LAST, "paused")

    async def is_settled() -> bool:
        return all(row.is_right for row in account(soak.occurrences, soak.flows, await soak.found()))

    with suppress(TimeoutError):  # then the account says what is wrong
        await _until(is_settled, SETTLED_WITHIN)


async def _has_baseline(soak: Soak) -> bool:
    status = (await soak.people.call("GET", "/status")).json()
    families = [family for instance in status["instances"] for family in instance["families"]]
    return sum("lastSuccessAt" in family for family in families) >= FAMILIES


async def _until(done: Callable[[], Awaitable[bool]], within: float) -> None:
    """Wait until something is done. Raises `TimeoutError`."""
    async with asyncio.timeout(within):
        while not await done():  # noqa: ASYNC110 - what is awaited happens in other processes
            await asyncio.sleep(2)


async def _first_failure(tasks: Sequence[asyncio.Task[None]], within: float) -> None:
    """Let tasks run for so long; raise what one of them raises before."""
    done, _ = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
