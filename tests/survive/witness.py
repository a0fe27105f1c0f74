"""The witness: sees all that is stored, published and called, and notes what may not be at that very moment."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.columns import time_in
from shared.adapters.delivery_rows import BACKLOG, event_key, record_key
from shared.adapters.storage import key_of, parts_of
from shared.adapters.subscription_rows import subscription_key, subscription_of
from shared.adapters.tables import VERSION
from shared.domain.deliveries import EventKey
from shared.domain.events.envelope import Event
from shared.domain.triggers import TRIGGERS
from tests.survive.ages import wrong_age
from tests.survive.cloud import seconds
from tests.survive.host import Host
from tests.survive.outside import Call, flow_called
from tests.survive.people import Asked, People
from tests.survive.requests import concerns
from tests.survive.schedule import Schedule
from tests.survive.worker import Outside
from tests.tables import Row

# Whoever is about to call a flow has read so long ago how its subscription stands, at most; who lets out a page of its
# backlog, so long ago. Seconds.
READ_AGO, PAGE_AGO = 12.0, 130.0
# Whoever begins a delivery has read so long ago what its subscription wants.
BEGUN_AGO = 5.0
# What is older in the line has been there for so long, for whoever lets out to have seen it.
SEEN_FOR = 60.0
# After so many failures in a row a subscription is failing.
FAILURES = 5
NOTICE = "CustomerInsights.Bridge.Subscription"
TOLD = {"failing": "Failing", "suspended": "Suspended", "active": "Resumed"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a delivery, and when."""

    at: float
    stage: str
    reason: str | None
    next_at: datetime | None


@dataclass(slots=True)
class Stands:
    """How a subscription stands, and since when."""

    status: str
    status_since: float
    is_open: bool
    open_since: float


@dataclass(slots=True)
class Known:
    """A wish of a subscription: what it asks for, from when until when (None: it stands in the end)."""

    subscription_id: str
    rule_id: str
    slug: str
    filters: Mapping[str, object]
    since: float
    until: float | None = None

    def wants(self, raw: Mapping[str, Any]) -> bool:
        """Whether an event is for it."""
        data, source = raw["data"], self.filters.get("dataSourceId")
        if TRIGGERS[self.slug].event_type != raw["type"]:
            return False
        if "ruleId" in data:
            return bool(data["ruleId"] == self.rule_id)
        return source in {None, data.get("dataSourceId")}


@dataclass(slots=True)
class Witness:
    """`problems` are what was wrong as it happened; `marks` what became of each delivery, by flow and event."""

    schedule: Schedule
    outside: Outside
    host: Host
    people: People
    problems: list[str] = field(default_factory=list)
    outages: list[tuple[float, str | None]] = field(default_factory=list)
    marks: defaultdict[tuple[int, str], list[Mark]] = field(default_factory=lambda: defaultdict(list))
    by_hand: set[int] = field(default_factory=set)
    stands: dict[str, Stands] = field(default_factory=dict)
    rules: dict[str, Known] = field(default_factory=dict)
    owed: dict[str, str] = field(default_factory=dict)
    failed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    taken_at: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    calm_from: float = 0.0

    def __post_init__(self) -> None:
        tables = self.outside.storage.tables
        tables["deliveries"].on_write = self._delivery
        tables["subscriptions"].on_write = self._subscription
        tables["polls"].on_write = self._polls
        self.outside.flows.on_call = self._call
        self.outside.flows.on_end = self.ended
        self.people.on_ask = self._note_concerns

    @property
    def owes(self) -> bool:
        """Whether anybody still has a notice to tell."""
        tables = self.outside.storage.tables
        return any(_owed(row) for name in ("subscriptions", "polls") for row in tables[name].rows.values())

    @property
    def is_skewed(self) -> bool:
        """Whether a clock has jumped: what rests on the age of a claim cannot be held to."""
        return any(step.do == "clock jumps" for step in self.schedule.happenings)

    def flow_of(self, subscription_id: str) -> int | None:
        """The flow of a subscription."""
        return next((flow for flow, id_ in self.people.ids.items() if id_ == subscription_id), None)

    def say(self, problem: str) -> None:
        """Note what is wrong."""
        self.problems.append(f"at {seconds():.3f} s: {problem}")

    def is_at_rest(self) -> None:
        """Look at a bridge that has come to rest, before people let out what is held."""
        if not self.host.is_idle:
            self.say(f"the bridge does not come to rest: {self._left()}")
        for row in self.outside.storage.tables["subscriptions"].rows.values():
            if "tokens" in row:
                self._check_rest(row["id"], row["status"])
        held = sum(row.get("stage") == "held" for row in self._records())
        self.counts["held"] += held

    def _check_rest(self, id_: str, status: str) -> None:
        """Whether nothing waits for a flow that takes all that it is called with."""
        waiting = len(self.line(id_))
        if waiting and status in {"active", "failing"}:
            self.say(f"{waiting} deliveries wait for {id_}, which is {status}, and nobody lets them out")
        if status == "failing" and self.taken_at.get(id_, -1.0) > self.stands[id_].status_since:
            self.say(f"the subscription {id_} is still failing, though its flow has taken a delivery")

    def _left(self) -> str:
        storage = self.outside.storage
        queues = {name: len(queue.messages) for name, queue in storage.queues.items() if queue.messages}
        due = len(storage.tables["due"].rows)
        running = sum(len(worker.process.tasks) for worker in self.host.workers.values())
        return f"{queues} in queues, {due} due, {running} running"

    def _records(self) -> list[Row]:
        rows = self.outside.storage.tables["deliveries"].rows
        return [row for (_, key), row in rows.items() if key.startswith("d|")]

    def line(self, subscription_id: str) -> Sequence[str]:
        """The keys of a subscription's backlog, in order."""
        partition, rows = key_of(subscription_id), self.outside.storage.tables["deliveries"].rows
        first, end = BACKLOG
        return sorted(key for part, key in rows if part == partition and first <= key < end)

    def _delivery(self, before: Row | None, after: Row) -> None:
        if not after["RowKey"].startswith("d|"):
            return
        [subscription_id] = parts_of(after["PartitionKey"])
        flow = self.flow_of(subscription_id)
        if flow is None:
            return
        if before is None:
            event = Event.decode(after["event"].decode())
            self.people.known.setdefault(flow, []).append(EventKey(event.time, event.id))
            self._check_wish(flow, subscription_id, event.raw, after)
        if not self.is_skewed:
            for problem in wrong_age(self.schedule.settings, self.outside.storage.cloud.now(), before, after):
                self.say(f"flow {flow}'s {after['eventId']} {problem}")
        self.marks[flow, after["eventId"]].append(
            Mark(seconds(), after["stage"], after.get("reason"), time_in(after, "nextAttemptAt"))
        )

    def _check_wish(self, flow: int, id_: str, raw: Mapping[str, Any], after: Row) -> None:
        """Whether what is begun is wanted, or was until just now; a letter is put back whatever is wanted by now."""
        is_letter = after["replayed"] and any(one.what == "redeliver letters" for one in self.people.asked)
        stood = [one for one in self.rules.values() if one.subscription_id == id_]
        read_at = seconds() - (READ_AGO if after["replayed"] else BEGUN_AGO)
        stands = [one for one in stood if one.until is None or one.until > read_at or is_letter]
        if raw["data"].get("test") is not True and "byHand" not in after and not any(one.wants(raw) for one in stands):
            self.say(f"flow {flow} is called with {raw['id']}, a {raw['type']} that it does not want")

    def _note_concerns(self, asked: Asked) -> None:
        asked.concerns = concerns(self, asked)

    def _subscription(self, before: Row | None, after: Row) -> None:
        if "tokens" not in after:
            return
        self._note_rule(before, after)
        id_, status, is_open = after["id"], after["status"], after["status"] == "active" and "releaseAt" not in after
        self._note_owed(id_, after)
        if before is None:
            self.stands[id_], self.failed[id_] = Stands(status, seconds(), is_open, seconds()), []
        stands = self.stands[id_]
        if is_open != stands.is_open:
            stands.is_open, stands.open_since = is_open, seconds()
        if status == stands.status:
            return
        was, stands.status, stands.status_since = stands.status, status, seconds()
        self.counts[f"turned {status}"] += 1
        fresh = {one["id"] for one in _owed(after)} - {one["id"] for one in _owed(before)}
        kinds = {one["type"].removeprefix(NOTICE) for one in _owed(after) if one["id"] in fresh}
        is_told = status in {"failing", "suspended"} or (status == "active" and was in {"failing", "suspended"})
        if is_told and not after["trigger"].startswith("subscription-") and TOLD[status] not in kinds:
            self.say(f"the subscription {id_} turns from {was} to {status}, and nobody is to be told")
        if kinds - ({TOLD[status]} if is_told else set()):
            self.say(f"the subscription {id_} turns from {was} to {status}, and {', '.join(kinds)} is told")
        if status == "failing" and len(self.failed[id_]) < FAILURES - self._counted_twice():
            self.say(f"the subscription {id_} is failing after {len(self.failed[id_])} failures in a row")
        if status == "suspended" and not self._was_refused(id_):
            self.say(f"the subscription {id_} is suspended, and its flow is neither off nor gone, and denies nothing")

    def _counted_twice(self) -> int:
        """How many failures may count twice: their answer was lost, and another was counted before the SDK repeated."""
        struck = (fault for _, _, fault in self.outside.storage.cloud.struck)
        return sum(fault.call == "subscriptions.replace" and fault.trouble == "repeated" for fault in struck)

    def _was_refused(self, id_: str) -> bool:
        """Whether its flow has said that it is off or gone, or has denied the bridge."""
        flow = self.flow_of(id_)
        calls = [one for one in self.outside.flows.calls if one.answer is not None and flow_called(one) == flow]
        return any(one.mood in {"off", "gone", "denies"} for one in calls)

    def _note_rule(self, before: Row | None, after: Row) -> None:
        if after["ruleId"] in self.rules:
            return
        if before is not None and (old := self.rules.get(before["ruleId"])) is not None:
            old.until = seconds()
        wish = subscription_of(after)
        filters = wish.filters.model_dump(by_alias=True)
        self.rules[wish.rule_id] = Known(wish.id, wish.rule_id, wish.trigger.slug, filters, seconds())

    def _polls(self, before: Row | None, after: Row) -> None:
        del before
        self._note_owed(f"{after['PartitionKey']}/{after['RowKey']}", after)

    def _note_owed(self, of: str, row: Row) -> None:
        for one in _owed(row):
            self.owed[one["id"]] = f"{one['type']} of {of}"

    def ended(self, call: Call) -> None:
        """Count a call that the bridge was told the end of."""
        id_ = self.people.ids.get(flow_called(call), "")
        if call.was_taken:
            self.taken_at[id_] = seconds()
            if not self._is_hindered(call):
                # One that failed meanwhile, or just before, may be counted after this.
                self.failed[id_] = [at for at in self.failed[id_] if at > call.began_at - READ_AGO]
        elif call.number not in self.by_hand:
            self.failed[id_].append(seconds())

    def _is_hindered(self, call: Call) -> bool:
        """Whether what comes of a call may never be written: what its process does with subscriptions goes wrong."""
        struck = self.outside.storage.cloud.struck
        return any(name == call.process.name and fault.call.startswith("subscriptions.") for _, name, fault in struck)

    def _call(self, call: Call) -> None:
        self.counts["calls of flows"] += 1
        event = Event.decode(call.body.decode())
        flow = flow_called(call)
        id_ = self.people.ids[flow]
        rows = self.outside.storage.tables["deliveries"].rows
        record = rows.get((key_of(id_), record_key(EventKey(event.time, event.id))))
        if record is not None and "was" in record:
            self.by_hand.add(call.number)
            return
        stands = self.stands.get(id_)
        if record is None or stands is None:
            return  # forgotten meanwhile, with its subscription
        if (subscription_key(id_)) not in self.outside.storage.tables["subscriptions"].rows:
            return
        line, now = record.get("line"), seconds()
        if line is None and not stands.is_open and stands.open_since < now - READ_AGO:
            self.say(f"flow {flow} is called with {event.id} past what is held: it is {stands.status}")
        if stands.status in {"paused", "suspended"} and stands.status_since < now - PAGE_AGO:
            self.say(f"flow {flow} is called with {event.id} while it is {stands.status}")
        is_probe = stands.status == "failing" and stands.status_since < now - READ_AGO
        if not self.is_skewed and (line is None or is_probe):
            self._check_wait(flow, event.id)
        if line == "held" and not self.is_skewed:
            self._check_order(flow, id_, event.time, event.id)

    def _check_wait(self, flow: int, event_id: str) -> None:
        """Whether what waited has waited for as long as it had to."""
        before = [mark for mark in self.marks[flow, event_id] if mark.stage != "attempting"]
        next_at, now = before[-1].next_at if before else None, self.outside.storage.cloud.now()
        if next_at is not None and next_at > now + timedelta(seconds=1):
            self.say(f"flow {flow} is called with {event_id} {next_at - now} too soon")

    def _check_order(self, flow: int, id_: str, time: datetime, event_id: str) -> None:
        """Whether nothing older has been held for long."""
        rows = self.outside.storage.tables["deliveries"].rows
        for place in self.line(id_):
            if not place.startswith("h|") or place.endswith(event_id):
                return
            record = rows.get((key_of(id_), _record_of(place)))
            if record is None or record["stage"] != "held":
                continue
            since = max(mark.at for mark in self.marks[flow, record["eventId"]])
            if since < seconds() - SEEN_FOR:
                self.say(f"flow {flow} is called with {event_id} of {time} before the older {record['eventId']}")
            return


def _record_of(place: str) -> str:
    return record_key(event_key({"RowKey": place, "v": VERSION}))


def _owed(row: Row | None) -> Sequence[Any]:
    found: Sequence[Any] = json.loads(row.get("owed", "[]")) if row is not None else ()
    return found
