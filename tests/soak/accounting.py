"""The account of a soak: what the tenant's life had to bring about, and what has become of all of it.

What has to be delivered is worked out from the occurrences alone. Whether a flow was off, slow or paused when an event
came decides only what became of it: it is delivered, held or a dead letter, and nothing else.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from local.demo.accounting import Key, Row, differences, expect, key_of, was_accepted
from local.demo.flows import RESUMED, SUSPENDED, DemoFlow
from local.flows import Call
from local.tenant.life import Occurrence, Step
from tests.integration.many import recorded_by, unexplained

# What the bridge tells of flows that are not well goes by how they were called, not by what occurred.
NOTICES = {SUSPENDED, RESUMED, "CustomerInsights.Bridge.SubscriptionFailing"}
# The bridge waits so long for a flow. Seconds.
TIMEOUT = 8
# What a flow answers that wants another event: the delivery is a dead letter at once.
REJECTED = 422
ENDS = ("delivered", "held", "dead")


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at the end.

    `stages` are those of each flow's deliveries, by the id of the event; `held` is what each subscription counts, and
    `places` how many rows stand in all backlogs.
    `killed` are the deaths of hosts; `asked` is when somebody asked that a flow get an event that it had already.
    `suspended` are the flows that were so at any time, `active` those that take events. `told` are the secrets that
    stand in the hosts' logs, in the storage or in what was published.
    """

    published: Sequence[Mapping[str, Any]]
    calls: Sequence[Call]
    stages: Mapping[str, Mapping[str, str]]
    killed: Sequence[datetime] = ()
    asked: Mapping[str, Mapping[str, Sequence[datetime]]] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    places: int = 0
    suspended: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()

    def of(self, flow: str) -> list[Call]:
        """The calls of a flow."""
        return [call for call in self.calls if call.flow == flow]


class Tally(NamedTuple):
    """What became of all that was for a flow, and how often the flow was called for it."""

    flow: str
    expected: int
    delivered: int
    held: int
    dead: int
    calls: int


def account(occurrences: Sequence[Occurrence], flows: Sequence[DemoFlow], found: Found) -> list[Row]:
    """Compare what had to come about with what did."""
    expected = expect([Step(0, "", lambda _: None, tuple(occurrences))], flows)
    events = {str(event["id"]): key_of(event) for event in found.published if event["type"] not in NOTICES}
    published = {"topic": Counter(events.values())}
    ended = {
        flow.name: Counter(events.get(id_, Key("unknown", id_)) for id_ in found.stages.get(flow.name, {}))
        for flow in flows
    }
    held = sum(stage == "held" for stages in found.stages.values() for stage in stages.values())
    counted = sum(found.held.values())
    return [
        Row("occurrences", None, len(occurrences), is_right=True),
        _none("events that were not published", differences({"topic": expected.published}, published)),
        _none("events that nothing had made", differences(published, {"topic": expected.published})),
        _none("published again with other data", _retold(found)),
        _equal("delivered, held or dead", expected.delivered, ended),
        _none("lost", differences(expected.delivered, ended)),
        _none("for nobody", differences(ended, expected.delivered)),
        _none("not come to an end", _each(flows, _unended, found)),
        Row("held, as the subscriptions count it", held, counted, held == counted),
        Row("held, and with a place in a backlog", held, found.places, held == found.places),
        _none("held, though the flow takes events", _each(flows, _stuck, found)),
        _none("delivered, and the flow has not taken it", _each(flows, _invented, found)),
        _none("taken by the flow, and not delivered", _each(flows, _forgotten, found)),
        _none("dead, and the flow has not rejected it", _each(flows, _wrongly_dead, found)),
        Row("taken again, after a death before the record, or by request", None, _repeats(flows, found), is_right=True),
        _none("taken again for no reason", _each(flows, _unexplained, found)),
        _none("taken again with other bytes", _each(flows, _changed, found)),
        _none("suspended, and nobody was told", _untold(found)),
        _none("secrets in logs, storage or events", sorted(found.told)),
    ]


def tallies(occurrences: Sequence[Occurrence], flows: Sequence[DemoFlow], found: Found) -> list[Tally]:
    """Count for each flow."""
    made = []
    for flow in flows:
        stages = Counter(found.stages.get(flow.name, {}).values())
        wanted = sum(flow.wants(each) for each in occurrences)
        made.append(Tally(flow.name, wanted, *(stages[end] for end in ENDS), len(found.of(flow.name))))
    return made


def _equal(name: str, expected: Mapping[str, Counter[Key]], found: Mapping[str, Counter[Key]]) -> Row:
    one, two = (sum(keys.total() for keys in each.values()) for each in (expected, found))
    return Row(name, one, two, one == two)


def _none(name: str, remarks: Sequence[str]) -> Row:
    """A line that has to be nothing."""
    return Row(name, 0, len(remarks), not remarks, tuple(remarks))


def _each(flows: Sequence[DemoFlow], what: Callable[[str, Found], Iterable[str]], found: Found) -> list[str]:
    return [f"{flow.name}: {event_id}" for flow in flows for event_id in what(flow.name, found)]


def _unended(flow: str, found: Found) -> Iterator[str]:
    return (f"{id_} {stage}" for id_, stage in found.stages.get(flow, {}).items() if stage not in ENDS)


def _stuck(flow: str, found: Found) -> Iterator[str]:
    held = (id_ for id_, stage in found.stages.get(flow, {}).items() if stage == "held")
    return held if flow in found.active else iter(())


def _taken(flow: str, found: Found) -> list[Call]:
    return [call for call in found.of(flow) if was_accepted(call, TIMEOUT)]


def _invented(flow: str, found: Found) -> Iterator[str]:
    taken = {call.event["id"] for call in _taken(flow, found)}
    return (id_ for id_, stage in found.stages.get(flow, {}).items() if stage == "delivered" and id_ not in taken)


def _forgotten(flow: str, found: Found) -> Iterator[str]:
    latest = {call.event["id"]: call for call in _taken(flow, found)}
    for id_, call in latest.items():
        died = any(call.at <= death <= recorded_by(call) for death in found.killed)
        if found.stages.get(flow, {}).get(id_) != "delivered" and not died:
            yield id_


def _wrongly_dead(flow: str, found: Found) -> Iterator[str]:
    rejected = {call.event["id"] for call in found.of(flow) if call.status == REJECTED}
    return (id_ for id_, stage in found.stages.get(flow, {}).items() if stage == "dead" and id_ not in rejected)


def _repeats(flows: Sequence[DemoFlow], found: Found) -> int:
    taken = [[call.event["id"] for call in _taken(flow.name, found)] for flow in flows]
    return sum(len(each) - len(set(each)) for each in taken)


def _unexplained(flow: str, found: Found) -> list[str]:
    return unexplained(_taken(flow, found), found.killed, found.asked.get(flow))


def _changed(flow: str, found: Found) -> Iterator[str]:
    bodies: dict[str, set[bytes]] = {}
    for call in found.of(flow):
        bodies.setdefault(call.event["id"], set()).add(call.body)
    return (id_ for id_, each in bodies.items() if len(each) > 1)


def _untold(found: Found) -> list[str]:
    return sorted(found.suspended - {str(event["data"].get("label")) for event in _notices(found, SUSPENDED)})


def _notices(found: Found, event_type: str) -> Iterator[Mapping[str, Any]]:
    return (event for event in found.published if event["type"] == event_type)


def _retold(found: Found) -> list[str]:
    """The events that were published twice and not alike."""
    data: dict[str, set[str]] = {}
    for event in found.published:
        data.setdefault(event["id"], set()).add(json.dumps(event["data"]))
    return [id_ for id_, each in data.items() if len(each) > 1]
