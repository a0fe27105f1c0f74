"""Lapses: which rules on the age of a last refresh have lapsed, by the tenant's own clock?

A rule fires once when the tenant's clock passes the last success by the age it allows, and again only after the next
success. Where no success is known, the age counts from when the rule was first seen, by the same clock. The bridge's
own clock has no say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.domain.rules import AgeRule


class Lapse(BaseModel):
    """What is remembered of a rule: since when it is watched, and from when on the age counted that was told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime
    told: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A rule lapsed at a time; `last` is the last success, where one is known."""

    rule: AgeRule
    at: datetime
    last: datetime | None


def compare(
    lapses: Mapping[str, Lapse],
    rules: Sequence[AgeRule],
    last_success: Callable[[AgeRule], datetime | None],
    now: datetime | None,
) -> tuple[dict[str, Lapse], list[Lapsed]]:
    """Compare the rules with the tenant's own time `now`; gives what to remember, and what is overdue, in time order.

    Without a time nothing is judged. What is no rule any more is forgotten.
    """
    after = {rule.id: lapses[rule.id] for rule in rules if rule.id in lapses}
    if now is None:
        return after, []
    found: list[Lapsed] = []
    for rule in rules:
        lapse, last = after.get(rule.id) or Lapse(since=now), last_success(rule)
        start = last or lapse.since
        if now - start > rule.max_age and (lapse.told is None or start > lapse.told):
            lapse = lapse.model_copy(update={"told": start})
            found.append(Lapsed(rule, start + rule.max_age, last))
        after[rule.id] = lapse
    return after, sorted(found, key=lambda one: (one.at, one.rule.id))
