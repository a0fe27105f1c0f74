"""What happened in the tenant, against what was published of it: each occurrence once, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from shared.domain.rules import Rule
from shared.domain.triggers import TRIGGERS
from tests.survive.tenant import SOURCES, Valued, expected
from tests.survive.witness import Known, Witness

PREFIX = "CustomerInsights."
# Whoever polls has read the rules so long before the values, at most. Seconds.
READ_AGO = 5.0
# An outage of so long is told: what the settings say, and some polls.
LASTS = 800.0
# The families, and those of them that are polled whatever anybody asks for.
POLLED, ALWAYS_POLLED = ("jobs", "dataSources", "segments", "measures"), {"jobs", "dataSources"}

type Occurrence = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What an event tells of, and its id."""

    of: Occurrence
    id: str


def judge_polls(witness: Witness, published: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """All that is wrong with what was published of the tenant."""
    ids: defaultdict[Occurrence, set[str]] = defaultdict(set)
    for event_id, raw in published.items():
        ids[_told(raw)].add(event_id)
    for occurrence, found in ids.items():
        if len(found) > 1:
            yield f"{occurrence} is published with {len(found)} ids"
    if not witness.schedule.polls:
        return
    must, may = set(_refreshes(witness)), set(_crossings(witness, surely=False))
    for occurrence in [*must, *_crossings(witness, surely=True)]:
        if occurrence not in ids:
            yield f"{occurrence} is never published"
    for occurrence in ids:
        what = str(occurrence[0])
        if what == "DataSource.CredentialsExpired":
            continue
        if occurrence not in must | may and not what.startswith(("Bridge.Subscription", "Bridge.Polling")):
            yield f"{occurrence} is published, and never happened"
    yield from _turns(witness, [str(one[1]) for one in ids if one[0] == "DataSource.CredentialsExpired"])
    yield from _outages(witness, published)


def _told(raw: Mapping[str, Any]) -> Occurrence:
    kind, data = raw["type"].removeprefix(PREFIX), raw["data"]
    at = datetime.fromisoformat(raw["time"])
    if kind.endswith("ThresholdCrossed"):
        return kind, data["ruleId"], data["direction"], float(data["previousValue"]), float(data["value"]), at
    if kind == "System.RefreshCompleted":
        return kind, data["jobId"]
    if kind == "DataSource.CredentialsExpired":  # its time is when it was seen
        return kind, raw["subject"], raw["id"]
    return kind, raw["subject"], at, *sorted(str(data.get(name)) for name in ("stage", "family", "failingSince"))


def _refreshes(witness: Witness) -> Iterator[Occurrence]:
    for refresh in witness.outside.tenant.refreshes[len(SOURCES) :]:
        kind, subject, at = expected(refresh)
        yield kind.removeprefix(PREFIX), subject, at, "None", "None", "None"
        yield "System.RefreshCompleted", refresh.job_id
        yield "Stage.RefreshCompleted", f"jobs/{refresh.job_id}/dataSources", at, "None", "None", "dataSources"


def _turns(witness: Witness, told: list[str]) -> Iterator[str]:
    """Each turn is told once; one that was over before anybody looked need not be."""
    tenant = witness.outside.tenant
    for source in SOURCES:
        turns = sum(one == source for one, _ in tenant.turns)
        count = told.count(f"data-sources/{source}")
        if count > turns or (source in tenant.asking and not count):
            yield f"{source} has asked for credentials {turns} times, and {count} are told"


def _crossings(witness: Witness, *, surely: bool) -> Iterator[Occurrence]:
    for known in witness.rules.values():
        rule = _rule(known)
        if rule is None or (surely and (known.until is not None or witness.people.have_ended(known.subscription_id))):
            continue
        kind = known.slug.split("-")[0]
        for before, after in pairwise(witness.outside.tenant.of(kind)):
            begins = (after.at - witness.outside.tenant.began_at).total_seconds()
            if surely and (known.since > begins - READ_AGO or begins < 0):
                continue
            for direction in _crossed(rule, before, after):
                name = f"{kind.capitalize()}.ThresholdCrossed"
                yield name, known.rule_id, direction, float(before.value), float(after.value), after.at


def _rule(known: Known) -> Rule | None:
    rule = TRIGGERS[known.slug].filters.model_validate(dict(known.filters)).rule(known.rule_id)
    return rule if isinstance(rule, Rule) else None


def _crossed(rule: Rule, before: Valued, after: Valued) -> Iterator[str]:
    if rule.direction != "below" and before.value <= rule.threshold < after.value:
        yield "above"
    if rule.direction != "above" and before.value >= rule.threshold > after.value:
        yield "below"


def _outages(witness: Witness, published: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    own = [raw for raw in published.values() if raw["type"].startswith(f"{PREFIX}Bridge.Polling")]
    for family in POLLED:
        of_it = {raw["type"].removeprefix(PREFIX) for raw in own if raw["data"]["family"] == family}
        yield from _outages_of(witness, family, of_it)


def _outages_of(witness: Witness, family: str, types: set[str]) -> Iterator[str]:
    begun = [at for at, trouble in witness.outages if trouble is not None]
    over = [at for at, trouble in witness.outages if trouble is None]
    stopped = any(step.do == "timers" for step in witness.schedule.happenings)
    lasted = bool(begun and over) and min(over) - max(begun) >= LASTS and family in ALWAYS_POLLED
    if lasted and not stopped and not witness.is_skewed and "Bridge.PollingFailed" not in types:
        yield f"that {family} could not be polled is never told"
    if "Bridge.PollingFailed" in types and "Bridge.PollingRecovered" not in types:
        yield f"that {family} can be polled again is never told"
    if "Bridge.PollingFailed" in types and not begun and not stopped:
        yield f"polls of {family} are told to fail, and the tenant was well"
