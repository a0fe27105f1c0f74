"""Subscriptions: what a flow asks for, and which events are for it.

A trigger ties an event type to the filters that its subscribers may set. Filters become a route: the place where an
event's subscribers are found by reading nothing else.
"""

import hmac
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    create_model,
)
from pydantic.alias_generators import to_camel

from shared.domain import ids
from shared.domain.events import (
    DataSourceRefreshFailed,
    DataSourceRefreshSucceeded,
    Event,
    EventData,
    MeasureThresholdCrossed,
    Number,
    SegmentThresholdCrossed,
    SystemRefreshCompleted,
    UnificationRefreshCompleted,
)
from shared.domain.thresholds import EXACT, Rule

ANY: Final = "any"

Status = Literal["active", "failing", "paused", "suspended"]
# After so many failures in a row a subscription is failing.
MAX_FAILURES = 5
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
# Far beyond any count or amount, and near enough for exact arithmetic.
LIMIT = Decimal(10) ** 24


def _counted(number: Decimal) -> Decimal:
    """The number, unless it has more digits than are compared."""
    if len(number.as_tuple().digits) > EXACT.prec:
        raise ValueError(f"must have at most {EXACT.prec} digits")
    return number


JsonNumber = Annotated[
    Number,
    AfterValidator(_counted),
    Field(strict=True, allow_inf_nan=False, ge=-LIMIT, le=LIMIT),
    WithJsonSchema({"type": "number", "minimum": -float(LIMIT), "maximum": float(LIMIT)}),
]
Margin = Annotated[
    Number,
    AfterValidator(_counted),
    Field(strict=True, allow_inf_nan=False, ge=0, le=LIMIT),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": float(LIMIT)}),
]


class Filters(BaseModel):
    """What a subscriber of one trigger may ask for."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    def route(self) -> tuple[str, ...]:
        """The values that an event's own must meet, in the order of `routes_of`; ids by key."""
        raise NotImplementedError

    def asked(self) -> Mapping[str, Any]:
        """All that is asked for, by its name on the wire; ids by key."""
        return self.model_dump(by_alias=True)

    def rule(self, rule_id: str) -> Rule | None:
        """The rule to watch for these filters, if they hold one."""
        del rule_id
        return None


class DataSourceFilters(Filters):
    """The data source to watch; none: any."""

    data_source_id: Name | None = Field(
        default=None, title="Data source", description="The one data source to hear of; any when left out."
    )

    def route(self) -> tuple[str, ...]:
        """The data source, or any."""
        return (ids.key(self.data_source_id) if self.data_source_id else ANY,)

    def asked(self) -> Mapping[str, Any]:
        """The data source by its key."""
        return {"dataSourceId": self.data_source_id and ids.key(self.data_source_id)}


class ThresholdFilters(Filters):
    """The threshold to watch."""

    threshold: JsonNumber = Field(description="The number to cross, for example 10000.")
    direction: Literal["above", "below", "either"] = Field(
        default="above", description="Which way to cross it: above is upwards, below is downwards, either is both."
    )
    rearm_margin: Margin = Field(
        default=Decimal(0),
        title="Margin against wavering",
        description="How far the value must go back before the same crossing counts again; with 0, each one counts.",
    )

    def route(self) -> tuple[str, ...]:
        """Nothing: an event names the very rule it is for."""
        return ()


class SegmentFilters(ThresholdFilters):
    """The segment and the threshold to watch."""

    segment_name: Name = Field(
        title="Segment", description="The segment to watch, by its name and not its display name."
    )

    def rule(self, rule_id: str) -> Rule:
        """The rule on the segment."""
        return Rule(rule_id, self.segment_name, self.threshold, self.direction, self.rearm_margin)


class MeasureFilters(ThresholdFilters):
    """The measure and the threshold to watch."""

    measure_name: Name = Field(
        title="Measure", description="The measure to watch, by its name and not its display name."
    )

    def rule(self, rule_id: str) -> Rule:
        """The rule on the measure."""
        return Rule(rule_id, self.measure_name, self.threshold, self.direction, self.rearm_margin)


class RunFilters(Filters):
    """The runs to hear of."""

    outcome: Literal["any", "succeeded", "failed", "timedOut", "canceled", "skipped"] = Field(
        default=ANY,
        description="Only runs that succeeded, failed, timedOut, were canceled or skipped; any: all of them.",
    )
    submission_kind: Literal["any", "scheduled", "onDemand"] = Field(
        default=ANY,
        title="How it was started",
        description="Only scheduled runs, or only those that somebody started (onDemand); any: both.",
    )

    def route(self) -> tuple[str, ...]:
        """The outcome and the kind, either of which may be any."""
        return (self.outcome, self.submission_kind)


class Body(BaseModel):
    """The part of a subscribe request's body that all triggers share."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    callback_url: Annotated[str, StringConstraints(min_length=1)] = Field(
        repr=False, description="The flow's callback URL."
    )
    instance_id: Name = Field(
        title="Environment", description="The id of the Customer Insights environment, as List environments gives it."
    )
    label: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="A name by which people find the flow in the list of subscriptions."
    )
    signed: StrictBool = Field(
        default=False, description="Whether each delivery is to bear a signature, which shows that the bridge made it."
    )


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a flow can subscribe to; `slug` names it in routes, `body` is what a flow sends to subscribe."""

    slug: str
    data: type[EventData]
    filters: type[Filters]
    body: type[Body]

    @property
    def event_type(self) -> str:
        """The type of the events it brings."""
        return self.data.event_type


def _trigger(slug: str, data: type[EventData], filters: type[Filters]) -> Trigger:
    bases = cast("tuple[type[Body], ...]", (Body, filters))
    return Trigger(slug, data, filters, create_model(f"{data.__name__}Body", __base__=bases))


TRIGGERS = {
    trigger.slug: trigger
    for trigger in (
        _trigger("data-source-refresh-failed", DataSourceRefreshFailed, DataSourceFilters),
        _trigger("data-source-refresh-succeeded", DataSourceRefreshSucceeded, DataSourceFilters),
        _trigger("segment-threshold-crossed", SegmentThresholdCrossed, SegmentFilters),
        _trigger("measure-threshold-crossed", MeasureThresholdCrossed, MeasureFilters),
        _trigger("system-refresh-completed", SystemRefreshCompleted, RunFilters),
        _trigger("unification-refresh-completed", UnificationRefreshCompleted, RunFilters),
    )
}
TRIGGERS_BY_EVENT_TYPE = {trigger.event_type: trigger for trigger in TRIGGERS.values()}


@dataclass(frozen=True, slots=True)
class Route:
    """Where subscriptions to an event stand: a partition, and in it all rows or, for a rule's event, its own."""

    partition: tuple[str, ...]
    row: str | None = None


class Standing(NamedTuple):
    """How a subscription stands: its status, and for when the next look at its backlog is arranged, if it has one."""

    id: str
    status: Status
    release_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether a delivery may go straight to the flow: it is active, and nothing waits before it."""
        return self.status == "active" and self.release_at is None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A flow's wish to be called; the callback URL is sealed and stays so until it is called.

    `fingerprint` tells whether the same callback asks for the same again, and `rule_id` is that of one wish: new with
    each new subscription, and with other filters. Each time it is asked for is a registration; `tokens` are hashes of
    the capabilities that end them, the latest last. `failures` counts those in a row, the first of them at
    `failing_since`. While it has a backlog, `release_at` says for when the next look at it is arranged, and
    `leased_until` how long at most somebody is letting it out. `secret`, sealed, signs its deliveries, and the one
    before it does so until `previous_until`. The hints are what its subscribe request said of its flow.
    """

    id: str
    trigger: Trigger
    instance_id: str
    filters: Filters
    callback: bytes = field(repr=False)
    callback_host: str
    fingerprint: str
    rule_id: str
    created_at: datetime
    updated_at: datetime
    label: str | None = None
    status: Status = "active"
    status_reason: str | None = None
    status_since: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    release_at: datetime | None = None
    leased_until: datetime | None = None
    tokens: Sequence[str] = field(default=(), repr=False)
    secret: bytes | None = field(default=None, repr=False)
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    environment_hint: str | None = None
    flow_hint: str | None = None

    def failed(self, now: datetime) -> Self:
        """It after a delivery that failed and may yet succeed; too many in a row, and it is failing."""
        failures = self.failures + 1
        since = self.failing_since or now
        counted = replace(self, failures=failures, failing_since=since)
        if self.status != "active" or failures < MAX_FAILURES:
            return counted
        return replace(counted, status="failing", status_since=now, status_reason=f"{failures} failures in a row")

    def recovered(self, now: datetime, *, by_hand: bool = False) -> Self:
        """It after a delivery that succeeded; one sent by hand makes a suspended one active, too."""
        calm = replace(self, failures=0, failing_since=None)
        is_back = self.status == "failing" or (by_hand and self.status == "suspended")
        return replace(calm, status="active", status_since=now, status_reason=None) if is_back else calm

    def suspended(self, why: str, now: datetime) -> Self:
        """It as one whose flow is gone."""
        return replace(self, status="suspended", status_reason=why, status_since=now, updated_at=now)

    def activated(self, now: datetime) -> Self:
        """It as one that takes events again, with nothing held against it."""
        return replace(self, status="active", status_reason=None, status_since=now, failures=0, failing_since=None)

    @property
    def is_signed(self) -> bool:
        """Whether its deliveries bear a signature."""
        return self.secret is not None

    def secrets(self, now: datetime) -> Sequence[bytes]:
        """The sealed secrets that sign its deliveries."""
        is_overlapping = self.previous_until is not None and self.previous_until > now
        return [each for each in (self.secret, self.previous_secret if is_overlapping else None) if each is not None]

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return Standing(self.id, self.status, self.release_at)

    @property
    def is_open(self) -> bool:
        """Whether a delivery may go straight to the flow: it is active, and nothing waits before it."""
        return self.standing.is_open

    @property
    def route(self) -> Route:
        """The one place where a matching event finds it."""
        partition = (self.trigger.slug, ids.key(self.instance_id), *self.filters.route())
        return Route(partition, self.rule_id if self.rule else None)

    @property
    def has_chosen_id(self) -> bool:
        """Whether a caller chose the id."""
        return self.id != derived_id(self.fingerprint)

    @property
    def rule(self) -> Rule | None:
        """The threshold it has the poll watch."""
        return self.filters.rule(self.rule_id)

    def without(self, token: str) -> Self | None:
        """What is left once this registration and those before it are ended; None when it was the latest.

        A flow that did not hear our answer asks again, and may end the first registration after that: it lives on in
        the second. A token that is not, or no longer, its own changes nothing.
        """
        place = next((n for n, known in enumerate(self.tokens) if hmac.compare_digest(token, known)), -1)
        left = self.tokens[place + 1 :]
        return replace(self, tokens=left) if left or place < 0 else None

    def wants(self, event: Event) -> bool:
        """Whether an event is for it."""
        mine = self.route
        return any(route.partition == mine.partition and route.row in {None, mine.row} for route in routes_of(event))


def derived_id(fingerprint: str) -> str:
    """The id of a subscription for which nobody chose one."""
    return fingerprint[:32]


def rules_partition(trigger: Trigger, instance_id: str) -> tuple[str, ...]:
    """Where all rules of a threshold trigger stand."""
    return (trigger.slug, ids.key(instance_id))


def routes_of(event: Event) -> Sequence[Route]:
    """All places where subscriptions to an event can stand; none for a type that is no trigger's."""
    trigger = TRIGGERS_BY_EVENT_TYPE.get(event.type)
    if trigger is None:
        return ()
    start = (trigger.slug, ids.key(event.instance_id))
    if issubclass(trigger.filters, ThresholdFilters):
        return (Route(start, str(event.data.get("ruleId"))),)
    if trigger.filters is DataSourceFilters:
        values = [(ids.key(str(event.data.get("dataSourceId", ANY))), ANY)]
    else:
        values = [(str(event.data.get(name, ANY)), ANY) for name in ("outcome", "submissionKind")]
    return tuple(Route((*start, *combination)) for combination in dict.fromkeys(itertools.product(*values)))
