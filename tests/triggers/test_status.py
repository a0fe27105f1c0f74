"""The route of the bridge's status."""

from datetime import timedelta
from typing import get_args

from shared import __version__
from shared.domain.checkpoints import Family
from shared.domain.polls import Polled
from shared.domain.timers import HEARTBEAT, Ticked
from tests.fakes import NOON
from tests.triggers.api import QUEUES
from tests.triggers.test_deliveries import EVENTS, api_of, at
from tests.usecases.world import subscription
from triggers.status import FamilyView


async def test_the_status_of_a_bridge_that_has_done_nothing() -> None:
    nothing = {"count": 0}
    assert (await api_of(events=[]).get("/status")).body == {
        "version": __version__,
        "instances": [],
        "subscriptions": {"active": 1, "failing": 0, "paused": 0, "suspended": 0},
        "queues": dict.fromkeys(
            ("events", "deliveries", "releases", "polls", "eventsPoison", "deliveriesPoison"), nothing
        ),
        "held": nothing,
        "deadLetters": nothing,
        "timers": {},
    }


async def test_the_status_tells_of_polls_queues_and_backlogs() -> None:
    api = api_of(of=subscription(status="paused"), events=EVENTS)
    await api.world.run()
    await api.world.bury.message("events", "{", "unreadable")
    well = Polled("i1", Family.JOBS, NOON, "Contoso").succeeded()
    failing = Polled("i1", Family.DATA_SOURCES, NOON + timedelta(minutes=1), "Contoso", pending_events=2).failed("down")
    for polled in (well, failing, Polled("i2", Family.JOBS, NOON)):
        await api.polls.put(polled, None)
    await api.timers.put(Ticked("jobs", NOON + timedelta(minutes=1)))
    await api.timers.put(Ticked("segments", NOON))
    await api.timers.put(Ticked(HEARTBEAT, NOON + timedelta(minutes=2), token="secret"))
    for number, name in enumerate(QUEUES):
        api.queues[name].length = number * 400
    body = (await api.get("/status")).body
    assert body["instances"] == [
        {
            "instanceId": "i1",
            "name": "Contoso",
            "families": [
                {
                    "family": "dataSources",
                    "lastPollAt": at(1),
                    "failingSince": at(1),
                    "error": "down",
                    "pendingEvents": 2,
                },
                {"family": "jobs", "lastPollAt": at(0), "lastSuccessAt": at(0), "pendingEvents": 0},
            ],
        },
        {"instanceId": "i2", "families": [{"family": "jobs", "lastPollAt": at(0), "pendingEvents": 0}]},
    ]
    assert body["queues"]["deliveries"] == {"count": 400}
    assert body["queues"]["eventsPoison"] == body["queues"]["deliveriesPoison"] == {"count": 1000, "more": True}
    assert (body["held"], body["deadLetters"], body["timers"]) == (
        {"count": 5},
        {"count": 1},
        {"polledAt": at(1), "heartbeatAt": at(2)},
    )
    assert body["subscriptions"] == {"active": 0, "failing": 0, "paused": 1, "suspended": 0}


def test_every_family_has_its_name_in_json() -> None:
    assert {family.on_wire for family in Family} == set(get_args(FamilyView.model_fields["family"].annotation))
