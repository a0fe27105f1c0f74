"""Notices: what the bridge owes the world to say of a subscription when it changes, and when nothing changes it.

A notice is an event like any other. It stands in the subscription from the write that makes it true until the topic
has taken it. Of subscriptions to such events nothing is told: a notice whose delivery fails would make another.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from shared.domain.events.data import EventData
from shared.domain.events.envelope import Event, Notice
from shared.domain.events.subscriptions import (
    SubscriptionFailing,
    SubscriptionNotice,
    SubscriptionResumed,
    SubscriptionSuspended,
)
from shared.domain.subscriptions import Subscription

# Power Automate switches a flow off that has failed for so long.
# https://learn.microsoft.com/power-automate/limits-and-config
SWITCHED_OFF_AFTER: Final = timedelta(days=14)
NEAR: Final = timedelta(days=3)
# A row has room for so many; only where the topic takes nothing for long are there more, and the oldest give way.
MOST_OWED: Final = 20


def owing(old: Subscription, new: Subscription, held: int = 0) -> Subscription:
    """A subscription that has changed, with what its change is worth telling; `held` of its deliveries are let out."""
    at = new.status_since or new.updated_at
    match old.status, new.status:
        case before, after if before == after or is_about_notices(new):
            return new
        case _, "failing":
            return _owing(new, _failing(new, "opened"), at)
        case _, "suspended":
            return _owing(new, SubscriptionSuspended(**_known(new), reason=new.status_reason), at)
        case (("suspended" | "failing"), "active"):
            return _owing(new, SubscriptionResumed(**_known(new), held=held), at)
    return new


def warned(it: Subscription, now: datetime) -> Subscription:
    """It with the warning that its flow may soon be switched off, where that is due."""
    at = warned_at(it)
    if at is None or at > now:
        return it
    return replace(_owing(it, _failing(it, "nearSwitchOff"), at), warned_since=it.failing_since)


def notice_at(it: Subscription) -> datetime | None:
    """When somebody has to see to its notices: at once where it owes some, else when it is to be warned of."""
    return it.created_at if it.owed else warned_at(it)


def warned_at(it: Subscription) -> datetime | None:
    """When the warning is due that its flow may be switched off; None: it is not, or it was left already."""
    since = it.failing_since
    if it.status != "failing" or since is None or since == it.warned_since or is_about_notices(it):
        return None
    return since + SWITCHED_OFF_AFTER - NEAR


def without(it: Subscription, told: Sequence[Notice]) -> Subscription:
    """It without notices that have been told."""
    return replace(it, owed=tuple(notice for notice in it.owed if notice not in told))


def is_about_notices(it: Subscription) -> bool:
    """Whether it is for notices about subscriptions itself."""
    return issubclass(it.trigger.data, SubscriptionNotice)


def fails_since(it: Subscription) -> datetime:
    """Since when the flow of a failing subscription fails."""
    return it.failing_since or it.status_since or it.updated_at


def switch_off_at(it: Subscription) -> datetime:
    """When Power Automate switches the flow of a failing subscription off, unless it recovers."""
    return fails_since(it) + SWITCHED_OFF_AFTER


def _failing(it: Subscription, stage: Literal["opened", "nearSwitchOff"]) -> EventData:
    return SubscriptionFailing(
        **_known(it),
        reason=it.status_reason,
        failing_since=fails_since(it),
        failures=it.failures,
        switch_off_at=switch_off_at(it),
        stage=stage,
    )


def _known(it: Subscription) -> dict[str, Any]:
    return {
        "instance_id": it.instance_id,
        "subscription_id": it.id,
        "trigger": it.trigger.slug,
        "label": it.label,
    }


def _owing(it: Subscription, told: EventData, at: datetime) -> Subscription:
    """It with one more notice, of what was so since a time."""
    notice = Event.of(told, time=at, occurrence=[it.id, at.isoformat()]).raw
    return replace(it, owed=(*it.owed, notice)[-MOST_OWED:])
