"""Subscriptions: what a flow asks for, how it fares, and which events are for it."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple, Self

from shared.domain import ids
from shared.domain.events.envelope import Event, Notice
from shared.domain.events.filters import Filters
from shared.domain.routes import Route, routes_of
from shared.domain.rules import AnyRule
from shared.domain.triggers import Trigger

Status = Literal["active", "failing", "paused", "suspended"]
# After so many failures in a row a subscription is failing.
MAX_FAILURES = 5


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
    before it does so until `previous_until`. The hints are what its subscribe request said of its flow. `owed` are
    notices about it that the topic is not known to have; that it is failing since `warned_since` was warned of.
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
    owed: Sequence[Notice] = field(default=(), repr=False)
    warned_since: datetime | None = None

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
    def rule(self) -> AnyRule | None:
        """What it has the poll watch."""
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
