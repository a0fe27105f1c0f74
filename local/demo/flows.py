"""The demo's flows: what each one asks for and how it behaves, and by that, which occurrences are for it.

Whether an occurrence is for a flow is worked out here a second time, so that a mistake in the bridge cannot hide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from local.flows import Behaviour, Disabled, Healthy, Picky, Slow, Throttled
from local.tenant.life import EVENING, TOO_OLD, Contoso, Ended, Evaluated, Occurrence, retailer
from local.tenant.life.occurrences import (
    MEASURE_CROSSED,
    MEASURE_FAILED,
    POLLING_FAILED,
    POLLING_RECOVERED,
    REFRESH_FAILED,
    REFRESH_SUCCEEDED,
    SEGMENT_CROSSED,
    SEGMENT_FAILED,
    SOURCE_OVERDUE,
    STAGE_ENDED,
    SYSTEM_REFRESHED,
    UNIFIED,
)

SUSPENDED = "CustomerInsights.Bridge.SubscriptionSuspended"
RESUMED = "CustomerInsights.Bridge.SubscriptionResumed"

CALLBACK_TIMEOUT = 3  # seconds that the bridge waits for a flow
THROTTLED = Throttled(times=2, retry_after=2)
SLOW = Slow(times=1, seconds=CALLBACK_TIMEOUT + 2)

SLUGS = {
    REFRESH_FAILED: "data-source-refresh-failed",
    REFRESH_SUCCEEDED: "data-source-refresh-succeeded",
    SEGMENT_CROSSED: "segment-threshold-crossed",
    MEASURE_CROSSED: "measure-threshold-crossed",
    SYSTEM_REFRESHED: "system-refresh-completed",
    UNIFIED: "unification-refresh-completed",
    POLLING_FAILED: "polling-failed",
    POLLING_RECOVERED: "polling-recovered",
    STAGE_ENDED: "stage-refresh-completed",
    SEGMENT_FAILED: "segment-refresh-failed",
    MEASURE_FAILED: "measure-refresh-failed",
    SOURCE_OVERDUE: "data-source-refresh-overdue",
}
NAMES = {
    SEGMENT_CROSSED: "segmentName",
    SEGMENT_FAILED: "segmentName",
    MEASURE_CROSSED: "measureName",
    MEASURE_FAILED: "measureName",
    STAGE_ENDED: "stage",
}

type Direction = Literal["above", "below", "either"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A threshold on a segment or a measure."""

    threshold: Decimal
    direction: Direction

    def crossed(self, previous: Decimal, value: Decimal) -> str | None:
        """Tell which way the threshold is crossed, if it is and that way counts."""
        if self.direction in {"above", "either"} and previous <= self.threshold < value:
            return "above"
        if self.direction in {"below", "either"} and previous >= self.threshold > value:
            return "below"
        return None


@dataclass(frozen=True, slots=True)
class DemoFlow:
    """A flow with its one subscription; what is None is not filtered by.

    A disabled one may be turned `on_in` a part of the day.
    """

    name: str
    event_type: str
    subject: str | None = None
    rule: Rule | None = None
    outcome: str | None = None
    submission_kind: str | None = None
    behaviour: Behaviour = field(default_factory=Healthy)
    on_in: str | None = None

    @property
    def slug(self) -> str:
        """The trigger in the bridge's routes."""
        return SLUGS[self.event_type]

    @property
    def is_disabled(self) -> bool:
        """Whether it is off, at first or for good."""
        return isinstance(self.behaviour, Disabled)

    def body(self, callback_url: str, instance_id: str) -> dict[str, object]:
        """Write the request to subscribe."""
        body: dict[str, object] = {"callbackUrl": callback_url, "instanceId": instance_id, "label": self.name}
        identifier = self.subject.partition("/")[2] if self.subject else None
        if identifier:
            body[NAMES.get(self.event_type, "dataSourceId")] = identifier
        if self.rule:
            body |= {"threshold": int(self.rule.threshold), "direction": self.rule.direction}
        if self.event_type == SOURCE_OVERDUE:
            body["maxAgeHours"] = TOO_OLD.total_seconds() / 3600
        if self.outcome:
            body["outcome"] = self.outcome
        if self.submission_kind:
            body["submissionKind"] = self.submission_kind
        return body

    def wants(self, occurrence: Occurrence) -> bool:
        """Tell whether an occurrence makes an event for it."""
        if occurrence.event_type != self.event_type or self.subject not in {None, occurrence.subject}:
            return False
        match occurrence:
            case Evaluated():
                return self.rule is not None and self.rule.crossed(occurrence.previous, occurrence.value) is not None
            case Ended():
                return self.outcome in {None, occurrence.outcome} and self.submission_kind in {
                    None,
                    occurrence.submission_kind,
                }


def demo_flows(tenant: Contoso) -> Sequence[DemoFlow]:
    """Choose flows that a day concerns: all triggers and directions, and flows that are not well, each in its way."""
    return (
        DemoFlow("ticket-for-each-failure", REFRESH_FAILED, behaviour=THROTTLED),
        DemoFlow("page-the-shop-team", REFRESH_FAILED, _source(tenant, retailer.SHOP)),
        DemoFlow("file-a-claim", REFRESH_FAILED, behaviour=Picky(times=1)),
        DemoFlow("keep-a-log", REFRESH_SUCCEEDED, behaviour=Disabled(), on_in=EVENING),
        DemoFlow("mail-loyalty-points", REFRESH_SUCCEEDED, _source(tenant, retailer.LOYALTY)),
        DemoFlow("publish-till-report", REFRESH_SUCCEEDED, _source(tenant, retailer.STORES)),
        _segment("celebrate-gold", retailer.GOLD, 10_000, "above"),
        _segment("watch-gold", retailer.GOLD, 10_000, "either"),
        _segment("warn-of-churn", retailer.CHURN, 1_500, "above"),
        _segment("relax-about-churn", retailer.CHURN, 1_500, "below"),
        _segment("order-more-paper", retailer.NEWSLETTER, 50_000, "above"),
        _measure("ring-the-bell", retailer.REVENUE, 100_000, "above"),
        _measure("check-the-sale", retailer.BASKET, 30, "below"),
        DemoFlow("refresh-dashboards", SYSTEM_REFRESHED),
        DemoFlow("forgotten-flow", SYSTEM_REFRESHED, outcome="failed", behaviour=Disabled()),
        DemoFlow("export-profiles", UNIFIED, behaviour=SLOW),
        DemoFlow("wake-the-operators", POLLING_FAILED),
        DemoFlow("let-them-sleep", POLLING_RECOVERED),
        DemoFlow("build-the-report", STAGE_ENDED, "stages/segments", outcome="succeeded", submission_kind="scheduled"),
        DemoFlow("mend-the-segment", SEGMENT_FAILED),
        DemoFlow("mend-the-measure", MEASURE_FAILED),
        DemoFlow("chase-the-support-team", SOURCE_OVERDUE, _source(tenant, retailer.SUPPORT)),
        DemoFlow("nightly-profiles", UNIFIED, outcome="succeeded", submission_kind="scheduled"),
    )


def _source(tenant: Contoso, friendly_name: str) -> str:
    return f"data-sources/{tenant.instance.data_source(friendly_name).id}"


def _segment(name: str, segment: str, threshold: int, direction: Direction) -> DemoFlow:
    return DemoFlow(name, SEGMENT_CROSSED, f"segments/{segment}", Rule(Decimal(threshold), direction))


def _measure(name: str, measure: str, threshold: int, direction: Direction) -> DemoFlow:
    return DemoFlow(name, MEASURE_CROSSED, f"measures/{measure}", Rule(Decimal(threshold), direction))
