"""The account of a day: what its occurrences should have brought about, what was seen, and whether that is the same.

Expected is worked out from the occurrences and the flows alone; seen is what the topic, the flows and the table of dead
letters hold. An event sent to the topic twice under one id is one event: Event Grid's consumers know it by its id.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from local.demo.flows import CALLBACK_TIMEOUT, DemoFlow
from local.flows import Call, Slow, Throttled
from local.tenant.life import Ended, Evaluated, Occurrence


class Key(NamedTuple):
    """What tells an event apart, as far as an occurrence knows it."""

    type: str
    subject: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a day should bring about; deliveries by flow. `retries` are the fewest there can be."""

    occurrences: int
    published: Counter[Key]
    delivered: Mapping[str, Counter[Key]]
    dead: Mapping[str, Counter[Key]]
    suspended: frozenset[str]
    retries: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a day; a dead letter is the name of its flow and the id of its event."""

    published: Sequence[Mapping[str, Any]]
    calls: Sequence[Call]
    suspended: frozenset[str] = frozenset()
    dead_letters: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the account; None expected says that nothing in particular is."""

    name: str
    expected: int | None
    seen: int
    is_right: bool
    remarks: Sequence[str] = field(default=())


def expect(occurrences: Sequence[Occurrence], flows: Sequence[DemoFlow]) -> Expected:
    """Work out what the occurrences should bring about."""
    published: Counter[Key] = Counter(_key(each) for each in occurrences if isinstance(each, Ended))
    wanted = {flow.name: Counter(_key(each, flow) for each in occurrences if flow.wants(each)) for flow in flows}
    for flow in flows:
        if flow.rule:  # each rule has an event of its own
            published += wanted[flow.name]
    disabled = {flow.name for flow in flows if flow.is_disabled and wanted[flow.name]}
    return Expected(
        occurrences=len(occurrences),
        published=published,
        delivered={name: keys for name, keys in wanted.items() if name not in disabled},
        dead={name: wanted[name] for name in disabled},
        suspended=frozenset(disabled),
        retries=sum(_refusals(flow) for flow in flows if wanted[flow.name]),
    )


def account(expected: Expected, seen: Seen) -> list[Row]:
    """Compare the two, line by line."""
    events = {str(event.get("id")): key_of(event) for event in seen.published}
    published = Counter(events.values())
    accepted = Counter((call.flow, str(call.event.get("id"))) for call in seen.calls if was_accepted(call))
    keys = {(call.flow, str(call.event.get("id"))): key_of(call.event) for call in seen.calls}
    delivered = {name: Counter[Key]() for name in expected.delivered}
    for flow, event_id in accepted:
        delivered.setdefault(flow, Counter())[keys[flow, event_id]] += 1
    lost = _differences(expected.delivered, delivered)
    unexpected = _differences(delivered, expected.delivered)
    duplicates = [f"{flow}: {event_id}" for (flow, event_id), times in accepted.items() for _ in range(times - 1)]
    dead = {name: Counter[Key]() for name in expected.dead}
    for flow, event_id in seen.dead_letters:
        dead.setdefault(flow, Counter())[events.get(event_id, Key("unknown", event_id))] += 1
    undead = [*_differences(expected.dead, dead), *_differences(dead, expected.dead)]
    wrongly_published = [
        *(f"not published: {_told(key)}" for key in (expected.published - published).elements()),
        *(f"published in vain: {_told(key)}" for key in (published - expected.published).elements()),
    ]
    attempts = Counter((call.flow, str(call.event.get("id"))) for call in seen.calls)
    retries = attempts.total() - len(attempts)
    suspended = sorted(expected.suspended ^ seen.suspended)
    return [
        Row("occurrences", None, expected.occurrences, is_right=True),
        Row("events published", expected.published.total(), len(events), not wrongly_published, wrongly_published),
        _row("deliveries made", _total(expected.delivered), len(accepted)),
        Row("retries (at least)", expected.retries, retries, retries >= expected.retries),
        Row("subscriptions suspended", len(expected.suspended), len(seen.suspended), not suspended, suspended),
        Row("dead letters", _total(expected.dead), len(seen.dead_letters), not undead, undead),
        _row("delivered more than once", 0, len(duplicates), duplicates),
        _row("delivered in vain", 0, len(unexpected), unexpected),
        _row("lost", 0, len(lost), lost),
    ]


def is_settled(expected: Expected, seen: Seen) -> bool:
    """Tell whether all that should happen has happened; more may still come, which would be wrong."""
    return all(row.is_right for row in account(expected, seen))


def was_accepted(call: Call) -> bool:
    """Tell whether the flow said in time that it runs; what it says later, nobody hears."""
    return call.accepted and call.delay < CALLBACK_TIMEOUT


def key_of(event: Mapping[str, Any]) -> Key:
    """Tell an event as it was published or delivered."""
    event_type, subject, data = str(event.get("type")), str(event.get("subject")), event.get("data") or {}
    if "threshold" in data:
        numbers = [_number(data.get(name)) for name in ("threshold", "previousValue", "value")]
        return Key(event_type, subject, (str(data.get("direction")), *numbers))
    if subject.startswith("jobs/"):
        return Key(event_type, subject, (str(data.get("outcome")), str(data.get("submissionKind"))))
    return Key(event_type, subject)


def _key(occurrence: Occurrence, flow: DemoFlow | None = None) -> Key:
    match occurrence:
        case Ended(event_type, subject, outcome, kind):
            return Key(event_type, subject, (outcome, str(kind)) if subject.startswith("jobs/") else ())
        case Evaluated(event_type, subject, previous, value):
            if flow is None or flow.rule is None:
                raise ValueError("an evaluation makes an event only for a rule")
            numbers = (_number(each) for each in (flow.rule.threshold, previous, value))
            return Key(event_type, subject, (str(flow.rule.crossed(previous, value)), *numbers))


def _number(value: object) -> str:
    """Write a number so that the same number is the same text."""
    return f"{Decimal(str(value)).normalize():f}" if value is not None else "none"


def _refusals(flow: DemoFlow) -> int:
    """Count the calls that the flow does not accept at first."""
    return flow.behaviour.times if isinstance(flow.behaviour, Throttled | Slow) else 0


def _total(by_flow: Mapping[str, Counter[Key]]) -> int:
    return sum(keys.total() for keys in by_flow.values())


def _differences(wanted: Mapping[str, Counter[Key]], found: Mapping[str, Counter[Key]]) -> list[str]:
    """Tell what one has more of than the other."""
    return [
        f"{name}: {_told(key)}"
        for name, keys in wanted.items()
        for key in (keys - found.get(name, Counter())).elements()
    ]


def _told(key: Key) -> str:
    return " ".join((key.type, key.subject, *key.detail))


def _row(name: str, expected: int, seen: int, remarks: Iterable[str] = ()) -> Row:
    return Row(name, expected, seen, expected == seen, tuple(remarks))
