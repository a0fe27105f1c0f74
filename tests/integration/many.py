"""Events by the dozen, put into the queue as Event Grid puts them; a second host on the storage; and how it went."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import batched, pairwise

from local.child import Child
from local.flows import Answer, Call
from local.tenant.model import Instance
from shared.domain.events.data_sources import DataSourceRefreshFailed
from shared.domain.events.envelope import Event
from tests.integration.conftest import World, now, until

AT_ONCE = 32
WINDOW = 10.0  # seconds over which the rate holds
MAX_UNDER_WAY = 8  # attempts of a flow at a time
# A flow's answer is recorded so soon: in some milliseconds, or later where Azurite collects its garbage.
RECORDED_WITHIN = timedelta(seconds=5)


class Always:
    """Answers each call alike."""

    def __init__(self, status: int, *, after: float = 0) -> None:
        self._answer = Answer(status, delay=after)

    def answer(self, attempt: int) -> Answer:
        del attempt
        return self._answer


def failures(instance: Instance, count: int, *, name: str = "") -> list[Event]:
    """Refreshes of a data source that failed one after the other, a second apart, before now."""
    since = now() - timedelta(seconds=count)
    data = DataSourceRefreshFailed.model_validate({**DataSourceRefreshFailed.sample, "instanceId": instance.id})
    return [
        Event.of(data, time=since + timedelta(seconds=number), occurrence=[name, str(number)])
        for number in range(count)
    ]


async def publish(world: World, events: Iterable[Event]) -> None:
    """Put events into the queue `events`."""
    queue = world.storage.queues.get_queue_client("events")
    for some in batched(events, AT_ONCE, strict=False):
        await asyncio.gather(*(queue.send_message(event.encode()) for event in some))


async def held(world: World, subscription_id: str, count: int, *, within: float = 60) -> None:
    """Wait until so many are held for a subscription."""

    async def is_so() -> bool:
        return (await world.stack.call("GET", f"/subscriptions/{subscription_id}")).json()["held"] == count

    await until(is_so, within)


async def status(world: World, subscription_id: str, wanted: str, *, within: float = 30) -> None:
    """Wait until a subscription has that status."""

    async def is_so() -> bool:
        return (await world.stack.call("GET", f"/subscriptions/{subscription_id}")).json()["status"] == wanted

    await until(is_so, within)


async def change(world: World, subscription_id: str, to: str) -> None:
    """Pause or resume a subscription."""
    answer = await world.stack.call("PATCH", f"/subscriptions/{subscription_id}", {"status": to})
    assert answer.status == 200, answer.body


async def heard(world: World, flow: str, events: Sequence[Event], *, within: float) -> list[Call]:
    """What a flow has taken, once all of these events are among it."""
    wanted = {event.id for event in events}

    async def calls() -> list[Call] | None:
        found = taken(world, flow)
        return found if wanted <= {call.event["id"] for call in found} else None

    return list(await until(calls, within))


def taken(world: World, flow: str) -> list[Call]:
    """What a flow has taken so far."""
    return [call for call in world.stack.flows.of(flow) if call.accepted]


def lead(calls: Sequence[Call]) -> int:
    """How many earlier events came after a later one, at most; repeats do not count."""
    first: dict[str, datetime] = {}
    for call in calls:
        first.setdefault(call.event["id"], datetime.fromisoformat(call.event["time"]))
    times = list(first.values())
    return max((sum(late < time for late in times[at:]) for at, time in enumerate(times)), default=0)


def in_any_window(calls: Sequence[Call]) -> int:
    """The most calls in any `WINDOW`."""
    times = sorted(call.at.timestamp() for call in calls)
    return max(sum(start <= at < start + WINDOW for at in times) for start in times)


def per_second(calls: Sequence[Call]) -> float:
    """How many calls came in a second, from the first to the last."""
    times = sorted(call.at for call in calls)
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds()


def longest_pause(calls: Sequence[Call]) -> float:
    """The longest time between two calls, in seconds."""
    times = sorted(call.at for call in calls)
    return max((two - one).total_seconds() for one, two in pairwise(times))


def recorded_by(call: Call) -> datetime:
    """When the bridge has recorded a flow's answer at the latest: only a death before that can explain a repeat."""
    return call.at + timedelta(seconds=call.delay) + RECORDED_WITHIN


def unexplained(
    calls: Sequence[Call], killed: Sequence[datetime], asked: Mapping[str, Sequence[datetime]] | None = None
) -> list[str]:
    """The events that a flow accepted again, without a death before the first answer was recorded, or a request."""
    asked = asked or {}
    accepted: dict[str, list[Call]] = {}
    for call in calls:
        if call.accepted:
            accepted.setdefault(call.event["id"], []).append(call)
    return [
        event_id
        for event_id, each in accepted.items()
        for one, two in pairwise(sorted(each, key=lambda call: call.at))
        if not any(one.at <= death <= min(two.at, recorded_by(one)) for death in killed)
        and not any(one.at <= at <= two.at for at in asked.get(event_id, ()))
    ]


def say(figures: str) -> None:
    """Show what was measured (`pytest -s`)."""
    print(f"\n{figures}")  # noqa: T201 - for people


@asynccontextmanager
async def another_host(world: World, **settings: str) -> AsyncIterator[Child]:
    """A second host that runs the app on the same storage."""
    child = await world.stack.start_another_host(**settings)
    try:
        yield child
    finally:
        await child.stop()
