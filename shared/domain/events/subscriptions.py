"""Subscriptions: what the bridge tells of the flows that it calls."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.domain.events.data import EventData
from shared.domain.events.filters import Asked, Choice
from shared.domain.events.wire import Text, clock, sentence


class SubscriptionFilters(Choice):
    """The subscription to hear of; none: any."""

    any_instance = True
    chosen = "subscription_id"

    subscription_id: Asked | None = Field(
        default=None,
        title="Subscription",
        description="The one to hear of, by its id, as List subscriptions gives it; any when left out.",
    )


class SubscriptionNotice(EventData):
    """What all events about a subscription tell."""

    subscription_id: str = Field(description="The subscription.")
    trigger: str = Field(description="The trigger that it is for.")
    label: Text | None = Field(default=None, description="Its name, as people recognise it.")
    reason: Text | None = Field(default=None, description="Why it is so, where that is known.")

    @property
    def subject(self) -> str:
        """The subscription."""
        return f"subscriptions/{self.subscription_id}"

    @property
    def called(self) -> str:
        """The subscription as people call it."""
        return f"{self.label or self.subscription_id} ({self.trigger})"


class SubscriptionFailing(SubscriptionNotice):
    """A flow failed too often in a row; and has failed for so long that it will soon be switched off."""

    event_type = "CustomerInsights.Bridge.SubscriptionFailing"
    title = "When a flow keeps failing"
    description = (
        "A flow failed 5 deliveries in a row (opened), or still fails 3 days before the platform switches it off "
        "(nearSwitchOff)."
    )
    slug = "subscription-failing"
    filters = SubscriptionFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "subscriptionId": "9c1f0a7d5e3b4c28a6d4e2f1b0c9d8e7",
        "trigger": "data-source-refresh-failed",
        "label": "Ticket for each failure",
        "reason": "5 failures in a row",
        "failingSince": "2026-11-20T03:12:50Z",
        "failures": 5,
        "switchOffAt": "2026-12-04T03:12:50Z",
        "stage": "opened",
    }

    failing_since: AwareDatetime = Field(description="When the first of the deliveries in a row failed (UTC).")
    failures: int = Field(description="How many deliveries failed in a row.")
    switch_off_at: AwareDatetime = Field(
        description="When the platform switches a flow off that has failed all the time, 14 days later (UTC)."
    )
    stage: Literal["opened", "nearSwitchOff"] = Field(
        description="opened: it has begun to fail; nearSwitchOff: it still does, 3 days before it is switched off."
    )

    @property
    def summary(self) -> str:
        """It in a sentence."""
        if self.stage == "nearSwitchOff":
            return sentence(f"{self.called} still fails, and may be switched off on {clock(self.switch_off_at)}.")
        return sentence(f"{self.called} failed {self.failures} times in a row. Its events are held until it recovers.")


class SubscriptionSuspended(SubscriptionNotice):
    """A subscription was suspended."""

    event_type = "CustomerInsights.Bridge.SubscriptionSuspended"
    title = "When a flow is not called any more"
    description = "A flow is switched off or gone, so its subscription was suspended. Its events are held."
    slug = "subscription-suspended"
    filters = SubscriptionFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "subscriptionId": "9c1f0a7d5e3b4c28a6d4e2f1b0c9d8e7",
        "trigger": "data-source-refresh-failed",
        "label": "Ticket for each failure",
        "reason": "HTTP 404 WorkflowNotFound",
    }

    @property
    def summary(self) -> str:
        """It in a sentence."""
        why = f": {self.reason}" if self.reason else ""
        return sentence(f"{self.called} is suspended{why}. Its events are held.")


class SubscriptionResumed(SubscriptionNotice):
    """A suspended or failing subscription takes events again."""

    event_type = "CustomerInsights.Bridge.SubscriptionResumed"
    title = "When a flow is called again"
    description = "A subscription that was suspended or failing takes events again, and gets what was held for it."
    slug = "subscription-resumed"
    filters = SubscriptionFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "subscriptionId": "9c1f0a7d5e3b4c28a6d4e2f1b0c9d8e7",
        "trigger": "data-source-refresh-failed",
        "label": "Ticket for each failure",
        "held": 12,
    }

    held: int = Field(description="How many deliveries were held and go out now; 1000 stands for as many or more.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        released = "1 held delivery goes" if self.held == 1 else f"{self.held} held deliveries go"
        return sentence(f"{self.called} takes events again. {released} out now.")
