"""The model: what must have been delivered, held or dead after a schedule, and what may not have happened in it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from shared.adapters.chunks import joined
from shared.adapters.storage import parts_of
from shared.domain.events.wire import json_text
from shared.domain.triggers import TRIGGERS
from tests.survive.occurrences import judge_polls
from tests.survive.outside import Call, flow_called
from tests.survive.people import CHANGES, ENDS, Asked
from tests.survive.requests import in_vain
from tests.survive.schedule import Wanted
from tests.survive.witness import Witness
from tests.virtual_time import NOON

# The rate holds over any so many seconds, and over so many instances.
WINDOW, INSTANCES = 10.0, 4
# With these the witness has looked at the age of what is given up.
OF_AGE = ("older than", "until DELIVERY_MAX_AGE_HOURS", "held for", "kept failing")


@dataclass(frozen=True, slots=True)
class Published:
    """An event, and when the topic first took it."""

    raw: Mapping[str, Any]
    at: float


def judge(witness: Witness) -> list[str]:
    """All that is wrong."""
    published, problems = _published(witness)
    problems += [*witness.problems, *(f"a use case raises {bug}" for bug in witness.host.bugs)]
    problems += _lost(witness, published)
    problems += judge_polls(witness, {id_: one.raw for id_, one in published.items()})
    problems += _phantoms(witness, published)
    problems += _repeats(witness)
    problems += in_vain(witness)
    problems += _too_fast(witness)
    problems += _untold(witness, published)
    problems += _unrest(witness)
    return problems


def _published(witness: Witness) -> tuple[dict[str, Published], list[str]]:
    found: dict[str, Published] = {}
    problems: list[str] = []
    for at, raw in witness.outside.topic.published:
        known = found.setdefault(raw["id"], Published(raw, at))
        if _told(known.raw) != _told(raw):
            problems.append(f"the event {raw['id']} is published with other bytes: {raw}, and before {known.raw}")
    witness.counts["events"] += len(found)
    return found, problems


def _pairs(witness: Witness) -> dict[tuple[int, str], list[Call]]:
    pairs: defaultdict[tuple[int, str], list[Call]] = defaultdict(list)
    for call in witness.outside.flows.calls:
        pairs[flow_called(call), call.event_id].append(call)
    return pairs


def _asked(witness: Witness, flow: int, what: Iterable[str]) -> list[Asked]:
    return [one for one in witness.people.asked if one.flow == flow and one.what in what]


def _wants(wanted: Wanted, raw: Mapping[str, Any], rules: set[str], *, edited: bool) -> bool:
    """Whether a flow surely wants an event, whatever it was changed to."""
    if TRIGGERS[wanted.slug].event_type != raw["type"]:
        return False
    if "ruleId" in raw["data"]:
        return rules == {raw["data"]["ruleId"]}
    source = raw["data"].get("dataSourceId")
    chosen = wanted.filters.get("data_source_id")
    return (chosen in {None, source}) and not (edited and source != "d2")


def _lost(witness: Witness, published: Mapping[str, Published]) -> Iterator[str]:
    pairs, letters = _pairs(witness), _letters(witness)
    for flow, wanted in enumerate(witness.schedule.flows):
        edited = bool(_asked(witness, flow, CHANGES))
        subscribed = _asked(witness, flow, {"subscribe"})
        ended = _asked(witness, flow, ENDS)
        id_ = witness.people.ids.get(flow)
        rules = {one.rule_id for one in witness.rules.values() if one.subscription_id == id_}
        for event_id, event in published.items():
            last_end = max((one.began_at for one in ended), default=None)
            since = min(
                (
                    one.ended_at
                    for one in subscribed
                    if one.ended_at is not None and (last_end is None or one.began_at > _over(ended))
                ),
                default=None,
            )
            if since is None or since >= event.at or not _wants(wanted, event.raw, rules, edited=edited):
                continue
            witness.counts["deliveries owed"] += 1
            calls = pairs.get((flow, event_id), [])
            if any(call.was_taken for call in calls):
                witness.counts["delivered"] += 1
                continue
            letter = letters.get((witness.people.ids[flow], event_id))
            marks = witness.marks[flow, event_id]
            stage = f"{marks[-1].stage} ({marks[-1].reason})" if marks else "nowhere"
            if letter is None and _given_up(witness, event_id):
                witness.counts["dead"] += 1
            elif letter is None:
                yield f"flow {flow} never takes {event_id} ({event.raw['type']}): it is {stage}, and no dead letter"
            elif reason := _wrongly_dead(witness, flow, letter, calls):
                yield f"flow {flow}'s {event_id} is a dead letter ({letter}): {reason}"
            else:
                witness.counts["dead"] += 1


def _over(asked: Sequence[Asked]) -> float:
    """When the last of what was asked for was surely over."""
    return max((one.ended_at if one.ended_at is not None else 1e9 for one in asked), default=0.0)


def _letters(witness: Witness) -> dict[tuple[str, str], str]:
    rows = witness.outside.storage.tables["deadletters"].rows.values()
    return {(row["subscriptionId"], row["eventId"]): row["reason"] for row in rows if "subscriptionId" in row}


def _given_up(witness: Witness, event_id: str) -> bool:
    """Whether the message with an event kept failing until it was too old."""
    rows = witness.outside.storage.tables["deadletters"].rows.values()
    kept_failing = [
        joined(row, "body").decode() for row in rows if row["reason"].startswith("queue events: its function")
    ]
    is_old = witness.outside.storage.cloud.now() - NOON > witness.schedule.settings.max_age
    return is_old and any(event_id in body for body in kept_failing)


def _wrongly_dead(witness: Witness, flow: int, reason: str, calls: Sequence[Call]) -> str | None:
    """Why a delivery should not be dead for this reason."""
    if reason.startswith("HTTP 4") and "until" not in reason:
        # What a person sends in vain of what was dead is dead again, whatever the flow says.
        is_by_hand = any(call.number in witness.by_hand for call in calls)
        return None if is_by_hand or any(call.mood == "rejects" for call in calls) else "nobody has rejected it"
    if any(why in reason for why in OF_AGE):
        return None
    if reason == "discarded by hand":
        return None if _asked(witness, flow, {"discard"}) else "nobody has discarded anything"
    return "no reason that there is"


def _told(raw: Mapping[str, Any]) -> str:
    """What an event tells: where a checkpoint was restored, it is recorded once more, at another time."""
    return json_text({name: value for name, value in raw.items() if name != "recordedtime"})


def _phantoms(witness: Witness, published: Mapping[str, Published]) -> Iterator[str]:
    bodies: dict[str, str] = {}
    for call in witness.outside.flows.calls:
        wanted, event = witness.schedule.flows[flow_called(call)], published.get(call.event_id)
        raw = json.loads(call.body)
        if bodies.setdefault(call.event_id, _told(raw)) != _told(raw):
            yield f"flow {flow_called(call)} is called with other bytes of {call.event_id}: {call.body!r}"
        if raw["data"].get("test") is True:
            if not _asked(witness, flow_called(call), {"test"}):
                yield f"flow {flow_called(call)} gets a test that nobody has sent"
            continue
        if event is None:
            yield f"flow {flow_called(call)} is called with {call.event_id}, which was never published"
        elif TRIGGERS[wanted.slug].event_type != raw["type"]:
            yield f"flow {flow_called(call)} is called with a {raw['type']}, which it never wanted"
        elif _told(event.raw) != _told(raw):
            yield f"flow {flow_called(call)} is called with {call.event_id} as it was never published: {call.body!r}"
        if (ended := _asked(witness, flow_called(call), ENDS)) and not [
            one
            for one in _asked(witness, flow_called(call), {"subscribe"})
            if one.ended_at is None or one.ended_at > min(end.began_at for end in ended)
        ]:
            over = min((one.ended_at for one in ended if one.ended_at is not None), default=1e9)
            if call.began_at > over + 130:
                yield f"flow {flow_called(call)} is called with {call.event_id} long after it has unsubscribed"


def _repeats(witness: Witness) -> Iterator[str]:
    for (flow, event_id), calls in _pairs(witness).items():
        for one, other in pairwise(calls):
            over = one.ended_at if one.ended_at is not None else one.process.died_at
            if over is not None and over > other.began_at and not witness.is_skewed:
                yield f"flow {flow} is called with {event_id} twice at once, at {other.began_at:.3f} s"
        taken = [call for call in calls if call.was_taken]
        by_hand = sum(
            asked.tries
            for asked in _asked(witness, flow, {"redeliver", "replay all"})
            if asked.event_id in {None, event_id}
        )
        for one, other in pairwise(taken):
            if (excuse := _excuse(witness, flow, one, other)) is not None:
                witness.counts[f"repeats excused: {excuse}"] += 1
            elif by_hand:
                by_hand -= 1
                witness.counts["repeats by hand"] += 1
            else:
                yield (
                    f"flow {flow} takes {event_id} twice, at {one.ended_at:.3f} and {other.ended_at:.3f} s, "
                    "and nobody has died between"
                )


def _excuse(witness: Witness, flow: int, one: Call, other: Call) -> str | None:
    """Why a flow may be called again with what it has taken: nobody could write down that it has."""
    assert one.ended_at is not None
    if any(
        mark.stage == "delivered" and one.ended_at <= mark.at <= other.began_at
        for mark in witness.marks[flow, one.event_id]
    ):
        return None
    if one.process.died_at is not None and one.process.died_at <= other.began_at:
        return "the process died"
    refused = {"refused", "denied"}
    for at, process, fault in witness.outside.storage.cloud.struck:
        is_storage = fault.call.startswith(("deliveries.", "subscriptions.", "due.", "queue "))
        if process == one.process.name and one.ended_at <= at <= other.began_at and is_storage:
            if fault.trouble in refused:
                return "the storage refused the record"
            if fault.trouble in {"lost", "slow"}:
                return f"the storage's answer was {fault.trouble}"
    return "a clock jumped" if witness.is_skewed else None


def _too_fast(witness: Witness) -> Iterator[str]:
    most = int(witness.schedule.settings.rate * WINDOW)
    if witness.is_skewed:
        return
    for flow in range(len(witness.schedule.flows)):
        calls = [
            call
            for call in witness.outside.flows.calls
            if flow_called(call) == flow and call.number not in witness.by_hand
        ]
        for first, last in zip(calls, calls[most:], strict=False):
            between = [one for one in calls if first.began_at <= one.began_at <= last.began_at]
            if last.began_at - first.began_at < WINDOW and len({one.process for one in between}) <= INSTANCES:
                yield (
                    f"flow {flow} is called {len(between)} times between {first.began_at:.3f} and "
                    f"{last.began_at:.3f} s, which is more than {most} in {WINDOW:.0f} s"
                )
                break


def _untold(witness: Witness, published: Mapping[str, Published]) -> Iterator[str]:
    letters = {row.get("eventId") for row in witness.outside.storage.tables["deadletters"].rows.values()}
    for event_id, what in witness.owed.items():
        if event_id not in published and event_id not in letters:
            yield f"the notice {what} is never told"
    witness.counts["notices"] += len(witness.owed)


def _unrest(witness: Witness) -> Iterator[str]:
    storage = witness.outside.storage
    for name, queue in storage.queues.items():
        if name != "polls" and queue.messages:
            yield f"{len(queue.messages)} messages are left in the queue {name}"
    subscriptions = {row["id"]: row for row in storage.tables["subscriptions"].rows.values() if "tokens" in row}
    for id_, row in subscriptions.items():
        if line := witness.line(id_):
            yield f"{len(line)} deliveries are left in the backlog of {id_}"
        # A lease that was taken by a clock ahead of the others lasts longer; whoever comes after it opens what is not.
        if row["status"] != "active" or ("releaseAt" in row and not witness.is_skewed):
            yield f"the subscription {id_} is not open in the end: {row['status']}, {row.get('releaseAt')}"
    rows = storage.tables["deliveries"].rows
    left = [key for partition, key in rows if key[:2] in {"h|", "r|"} and parts_of(partition)[0] not in subscriptions]
    if (
        left and not witness.is_skewed
    ):  # what a clock ahead of the others has put in is left, for whoever has the id next
        yield f"{len(left)} deliveries are left in the backlog of subscriptions that have ended"
    stages = Counter(
        row["stage"]
        for (_, key), row in storage.tables["deliveries"].rows.items()
        if key.startswith("d|") and parts_of(row["PartitionKey"])[0] in subscriptions
    )
    for stage in ("attempting", "waiting", "held"):
        if stages[stage]:
            yield f"{stages[stage]} deliveries are still {stage}"
