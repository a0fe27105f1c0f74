"""The account of a day: what its occurrences should have brought about, what was seen, and whether that is the same.

Expected is worked out from the occurrences and the flows alone; seen is what the topic and the flows got, and what the
bridge's API shows. An event sent to the topic twice under one id is one: Event Grid's consumers know it by its id.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any, NamedTuple

from local.demo.flows import CALLBACK_TIMEOUT, RESUMED, SUSPENDED, DemoFlow
from local.flows import Call, Picky, Slow, Throttled
from local.tenant.life import Ended, Evaluated, Occurrence, Step
from local.tenant.life.occurrences import STAGE_ENDED


class Key(NamedTuple):
    """What tells an event apart, as far as an occurrence knows it."""

    type: str
    subject: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a day should bring about; deliveries by flow. `retries` are the fewest there can be.

    `held` is what waits while a flow is off, and `released` what it gets of that when it is turned on.
    """

    occurrences: int
    published: Counter[Key]
    delivered: Mapping[str, Counter[Key]]
    held: Mapping[str, Counter[Key]]
    released: Mapping[str, Counter[Key]]
    dead: Mapping[str, Counter[Key]]
    suspended: frozenset[str]
    retries: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a day; a dead letter, or what was held, is the name of its flow and the id of its event."""

    published: Sequence[Mapping[str, Any]]
    calls: Sequence[Call]
    suspended: frozenset[str] = frozenset()
    held: frozenset[tuple[str, str]] = frozenset()
    dead_letters: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the account; None expected says that nothing in particular is."""

    name: str
    expected: int | None
    seen: int
    is_right: bool
    remarks: Sequence[str] = field(default=())


def expect(steps: Sequence[Step], flows: Sequence[DemoFlow]) -> Expected:
    """Work out what a day should bring about."""
    occurrences = [each for step in steps for each in step.makes]
    published: Counter[Key] = Counter(_key(each) for each in occurrences if isinstance(each, Ended))
    wanted = {flow.name: [_key(each, flow) for each in occurrences if flow.wants(each)] for flow in flows}
    for flow in flows:
        if flow.rule:  # each rule has an event of its own
            published += Counter(wanted[flow.name])
    off = {flow.name: _while_off(flow, steps) for flow in flows if flow.is_disabled}
    held = {name: Counter(wanted[name][:count]) for name, count in off.items() if count}
    gone = {flow.name for flow in flows if flow.is_disabled and flow.on_in is None}
    # The bridge tells of each flow that is off when it should run, and of those that are turned on again.
    published += Counter(Key(SUSPENDED, name) for name in held)
    published += Counter(Key(RESUMED, name) for name in held.keys() - gone)
    dead = {flow.name: Counter(wanted[flow.name][: _rejections(flow)]) for flow in flows if _rejections(flow)}
    return Expected(
        occurrences=len(occurrences),
        published=published,
        delivered={
            name: Counter(keys) - dead.get(name, Counter()) for name, keys in wanted.items() if name not in gone
        },
        held=held,
        released={name: keys for name, keys in held.items() if name not in gone},
        dead=dead,
        suspended=frozenset(held.keys() & gone),
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
    lost = differences(expected.delivered, delivered)
    unexpected = differences(delivered, expected.delivered)
    duplicates = [f"{flow}: {event_id}" for (flow, event_id), times in accepted.items() for _ in range(times - 1)]
    held, dead = _by_flow(seen.held, events), _by_flow(seen.dead_letters, events)
    released = [pair for pair in accepted if pair in seen.held]
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
        _compared("held", expected.held, held),
        _compared("released", expected.released, _by_flow(released, events)),
        _row("released out of order", 0, len(overtaken := _overtaken(seen)), overtaken),
        _compared("dead letters", expected.dead, dead),
        _row("delivered more than once", 0, len(duplicates), duplicates),
        _row("delivered in vain", 0, len(unexpected), unexpected),
        _row("lost", 0, len(lost), lost),
    ]


def is_settled(expected: Expected, seen: Seen) -> bool:
    """Tell whether all that should happen has happened; more may still come, which would be wrong."""
    return all(row.is_right for row in account(expected, seen))


def was_accepted(call: Call, within: float = CALLBACK_TIMEOUT) -> bool:
    """Tell whether the flow said in time that it runs; what it says later, nobody hears."""
    return call.accepted and call.delay < within


def key_of(event: Mapping[str, Any]) -> Key:
    """Tell an event as it was published or delivered."""
    event_type, subject, data = str(event.get("type")), str(event.get("subject")), event.get("data") or {}
    if event_type in {SUSPENDED, RESUMED}:
        return Key(event_type, str(data.get("label")))
    if "threshold" in data:
        numbers = [_number(data.get(name)) for name in ("threshold", "previousValue", "value")]
        return Key(event_type, subject, (str(data.get("direction")), *numbers))
    if event_type == STAGE_ENDED:
        subject = f"stages/{data.get('stage')}"
    if subject.startswith(("jobs/", "stages/")):
        return Key(event_type, subject, (str(data.get("outcome")), str(data.get("submissionKind"))))
    return Key(event_type, subject)


def _key(occurrence: Occurrence, flow: DemoFlow | None = None) -> Key:
    match occurrence:
        case Ended(event_type, subject, outcome, kind):
            return Key(event_type, subject, (outcome, str(kind)) if subject.startswith(("jobs/", "stages/")) else ())
        case Evaluated(event_type, subject, previous, value):
            if flow is None or flow.rule is None:
                raise ValueError("an evaluation makes an event only for a rule")
            numbers = (_number(each) for each in (flow.rule.threshold, previous, value))
            return Key(event_type, subject, (str(flow.rule.crossed(previous, value)), *numbers))


def _number(value: object) -> str:
    """Write a number so that the same number is the same text."""
    return f"{Decimal(str(value)).normalize():f}" if value is not None else "none"


def _refusals(flow: DemoFlow) -> int:
    """Count the calls that the flow does not accept at first and that are made again."""
    if flow.is_disabled:  # the first call shows that it is off
        return 1 if flow.on_in else 0
    return flow.behaviour.times if isinstance(flow.behaviour, Throttled | Slow) else 0


def _rejections(flow: DemoFlow) -> int:
    """Count the events that the flow rejects for good."""
    return flow.behaviour.times if isinstance(flow.behaviour, Picky) else 0


def _while_off(flow: DemoFlow, steps: Iterable[Step]) -> int:
    """Count what is for a flow before it is turned on."""
    before = takewhile(lambda step: step.part != flow.on_in, steps)
    return sum(flow.wants(each) for step in before for each in step.makes)


def _by_flow(pairs: Iterable[tuple[str, str]], events: Mapping[str, Key]) -> Mapping[str, Counter[Key]]:
    """Count events, given by the flow's name and the event's id."""
    found: dict[str, Counter[Key]] = {}
    for flow, event_id in pairs:
        found.setdefault(flow, Counter())[events.get(event_id, Key("unknown", event_id))] += 1
    return found


def _overtaken(seen: Seen) -> list[str]:
    """Tell which of the held events came after a later one."""
    latest: dict[str, datetime] = {}
    late: list[str] = []
    for call in seen.calls:
        event_id = str(call.event.get("id"))
        if (call.flow, event_id) not in seen.held or not was_accepted(call):
            continue
        time = datetime.fromisoformat(call.event["time"])
        if time < latest.setdefault(call.flow, time):
            late.append(f"{call.flow}: {event_id}")
        latest[call.flow] = max(time, latest[call.flow])
    return late


def _total(by_flow: Mapping[str, Counter[Key]]) -> int:
    return sum(keys.total() for keys in by_flow.values())


def differences(wanted: Mapping[str, Counter[Key]], found: Mapping[str, Counter[Key]]) -> list[str]:
    """Tell what one has more of than the other."""
    return [
        f"{name}: {_told(key)}"
        for name, keys in wanted.items()
        for key in (keys - found.get(name, Counter())).elements()
    ]


def _told(key: Key) -> str:
    return " ".join((key.type, key.subject, *key.detail))


def _compared(name: str, expected: Mapping[str, Counter[Key]], seen: Mapping[str, Counter[Key]]) -> Row:
    remarks = [
        *(f"missing: {each}" for each in differences(expected, seen)),
        *(f"not expected: {each}" for each in differences(seen, expected)),
    ]
    return Row(name, _total(expected), _total(seen), not remarks, remarks)


def _row(name: str, expected: int, seen: int, remarks: Iterable[str] = ()) -> Row:
    return Row(name, expected, seen, expected == seen, tuple(remarks))
