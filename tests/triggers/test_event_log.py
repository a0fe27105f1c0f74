"""The routes of the event log."""

from datetime import timedelta

import pytest

from shared.domain.callbacks import Answer
from tests.fakes import NOON
from tests.triggers.api import Api
from tests.triggers.test_deliveries import EVENTS, api_of, at
from tests.usecases.world import EVENT, World, subscription


async def logged(api: Api, *ids: str) -> None:
    for event in EVENTS:
        await api.world.events.record(event, ids)


async def test_events_are_listed_as_flows_get_them_newest_first() -> None:
    api = api_of(events=[])
    await logged(api)
    found = await api.all_of("/events?limit=2")
    assert found == [event.raw for event in reversed(EVENTS)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("instanceId=i1", 5),
        ("instanceId=i2", 0),
        (f"type={EVENT.type}", 5),
        ("type=CustomerInsights.Else", 0),
        (f"since={at(3)}", 2),
        (f"until={at(3)}", 3),
        (f"since={at(3)}&until={at(3)}", 0),
    ],
)
async def test_events_are_picked_by_what_and_when(query: str, count: int) -> None:
    api = api_of(events=[])
    await logged(api)
    assert len(await api.all_of(f"/events?limit=1&{query}")) == count


async def test_a_cursor_that_is_none_is_refused() -> None:
    for of in ("/events", "/dead-letters", "/subscriptions/s1/deliveries"):
        assert (await api_of(events=[]).get(f"{of}?cursor=nonsense")).wrong == {"cursor"}


async def test_an_event_tells_what_has_become_of_it_for_each_flow() -> None:
    """Of those it was dispatched to, also of one that wants other events now; and of those that a replay gave it to."""
    world = World(Answer(503, retry_after=3600), events=[])
    later, other = subscription(id_="later"), subscription(id_="other", dataSourceId="d2")
    for one in (later, other, subscription(id_="ended")):
        world.subscriptions.rows[one.id] = one, one.id
    api = Api(world)
    await world.events.record(EVENT, ["s1", "other", "ended"], NOON - timedelta(minutes=1))
    for id_ in ("s1", "later"):
        world.dispatch(EVENT, id_)
    await world.run(until=world.clock() - world.clock())
    found = (await api.get(f"/events/{EVENT.id}")).body
    deliveries = {one.pop("subscriptionId"): one for one in found.pop("deliveries")}
    assert found == {**EVENT.raw, "publishedAt": at(-1), "dispatchedAt": at(0)}
    waiting = {"stage": "waiting", "attempts": 1, "status": 503, "reason": "HTTP 503", "updatedAt": at(0)}
    assert deliveries == {"s1": waiting, "later": waiting}


async def test_the_copies_of_an_event_are_read_many_at_a_time() -> None:
    world = World(events=[])
    ids = [f"s{number}" for number in range(1, 101)]
    await world.events.record(EVENT, ids)
    for id_ in ids:
        world.subscriptions.rows[id_] = subscription(id_=id_), id_
        world.dispatch(EVENT, id_)
    await world.run()
    world.deliveries.reads = 0
    found = (await Api(world).get(f"/events/{EVENT.id}")).body["deliveries"]
    assert [one["subscriptionId"] for one in found] == ids
    assert world.deliveries.reads == 100
