"""Requests: what people ask for and are told is done has a consequence for each event that it concerns."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.adapters.chunks import joined
from shared.adapters.ordering import readable
from shared.adapters.storage import key_of
from shared.adapters.subscription_rows import subscription_key
from tests.survive.outside import Call, flow_called
from tests.survive.people import CHANGES, ENDS, Asked

if TYPE_CHECKING:
    from tests.survive.witness import Witness


def concerns(witness: "Witness", asked: Asked) -> frozenset[str]:
    """The events that a request concerns: of each, something must come."""
    tables, id_ = witness.outside.storage.tables, witness.people.ids.get(asked.flow, "")
    if subscription_key(id_) not in tables["subscriptions"].rows:
        return frozenset()
    stages = {
        row["eventId"]: row["stage"]
        for (partition, key), row in tables["deliveries"].rows.items()
        if partition == key_of(id_) and key.startswith("d|")
    }
    if asked.what in {"replay", "replay all"}:
        again = {None, "dead", "delivered"} if asked.what == "replay all" else {None, "dead"}
        wishes = [one for one in witness.rules.values() if one.subscription_id == id_ and one.until is None]
        kept = readable(witness.outside.storage.cloud.now() - witness.schedule.settings.keep + timedelta(minutes=10))
        logged = [row for row in tables["events"].rows.values() if row.get("recordedAt", "") > kept]
        wanted = [raw for raw in (json.loads(joined(row, "event")) for row in logged) if wishes[-1].wants(raw)]
        return frozenset(raw["id"] for raw in wanted if stages.get(raw["id"]) in again)
    if asked.what == "redeliver letters":
        letters = [row for row in tables["deadletters"].rows.values() if row.get("subscriptionId") == id_]
        events = {row["eventId"] for row in letters}
        return frozenset(one for one in events if stages.get(one) in {None, "dead"})
    return frozenset()


def in_vain(witness: "Witness") -> Iterator[str]:
    """What somebody has asked for, was told is done, and had no consequence."""
    for one in witness.people.asked:
        if one.ended_at is None or one.is_refused or _is_overtaken(witness, one):
            continue
        calls = [call for call in witness.outside.flows.calls if _is_after(call, one)]
        if one.what == "test" and not any(json.loads(call.body)["data"].get("test") for call in calls):
            yield f"flow {one.flow} never gets the test that is asked for at {one.began_at:.3f} s"
        called = {call.event_id for call in calls}
        for event_id in {*one.concerns, one.event_id} - {None, *called}:
            if not any(mark.at >= one.began_at for mark in witness.marks[one.flow, str(event_id)]):
                yield f"nothing comes of what is asked for at {one.began_at:.3f} s ({one.what}), of {event_id}"


def _is_after(call: Call, asked: Asked) -> bool:
    return flow_called(call) == asked.flow and call.began_at >= asked.began_at


def _is_overtaken(witness: "Witness", asked: Asked) -> bool:
    """Whether the subscription has ended since, or was changed meanwhile."""
    others = [one for one in witness.people.asked if one.flow == asked.flow]
    later = [one for one in others if one.ended_at is None or one.ended_at >= asked.began_at]
    until = asked.ended_at or 0.0
    return any(one.what in ENDS or (one.what in CHANGES and one.began_at <= until) for one in later)
