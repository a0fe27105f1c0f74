"""What several routes show: events and deliveries as callers see them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.domain.deliveries import Delivery
from shared.domain.events.wire import Wire
from shared.domain.runs import run_url
from shared.domain.subscriptions import Subscription

StageName = Literal["attempting", "waiting", "held", "delivered", "dead"]


class CloudEvent(BaseModel):
    """An event (CloudEvents 1.0), as flows get it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: str = Field(title="Specification version", description="The version of CloudEvents: 1.0.")
    id: str = Field(title="Event id", description="The id of the event: the same in every call for one occurrence.")
    source: str = Field(title="Event source", description="The environment that the event comes from.")
    type: str = Field(title="Event type", description="The type of the event.")
    subject: str | None = Field(
        default=None, title="Event subject", description="What the event is about, within its environment."
    )
    time: str = Field(
        title="Event time",
        description="When it happened in Customer Insights (UTC).",
        json_schema_extra={"format": "date-time"},
    )
    recordedtime: str | None = Field(
        default=None,
        title="Recorded time",
        description="When the bridge saw it (UTC).",
        json_schema_extra={"format": "date-time"},
    )
    data: dict[str, Any] = Field(description="What happened.")


class Outcome(Wire):
    """How a delivery stands."""

    stage: StageName = Field(description="Where it stands: attempting, waiting, held, delivered or dead.")
    attempts: int = Field(description="How many attempts have ended.")
    status: int | None = Field(default=None, description="The HTTP status of the flow's latest answer.")
    reason: str | None = Field(default=None, description="Why it is not delivered, or not yet.")
    updated_at: AwareDatetime = Field(description="When this last changed (UTC).")


class DeliveryView(Outcome):
    """A delivery: an event for a subscription."""

    event_id: str = Field(description="The id of the event.")
    event_type: str = Field(description="The type of the event.")
    event_time: AwareDatetime = Field(description="When it happened in Customer Insights (UTC).")
    subject: str | None = Field(default=None, description="What the event is about, within its environment.")
    dispatched_at: AwareDatetime = Field(description="When the delivery was made (UTC).")
    next_attempt_at: AwareDatetime | None = Field(default=None, description="When it is tried again (UTC).")
    replayed: bool = Field(description="Whether it was replayed.")
    run_id: str | None = Field(default=None, title="Run id", description="The flow's run that it started.")
    run_url: str | None = Field(default=None, title="Run URL", description="The page of that run.")


class AttemptView(Wire):
    """An attempt to deliver, once it has ended."""

    at: AwareDatetime = Field(description="When it began (UTC).")
    duration_ms: int = Field(description="How many milliseconds the flow took.")
    status: int | None = Field(default=None, description="The HTTP status of the flow's answer.")
    reason: str | None = Field(default=None, description="What came of it, in words.")


def attempts(delivery: Delivery) -> Sequence[AttemptView]:
    """The latest attempts of a delivery, the oldest first."""
    return [
        AttemptView(at=one.at, duration_ms=one.duration_ms, status=one.status, reason=one.reason)
        for one in delivery.history
    ]


def outcome(delivery: Delivery) -> dict[str, Any]:
    """How a delivery stands."""
    return {
        "stage": delivery.stage.value,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "reason": delivery.reason,
        "updated_at": delivery.updated_at,
    }


def seen(delivery: Delivery, subscription: Subscription) -> dict[str, Any]:
    """A delivery of a subscription."""
    event = delivery.event
    return {
        **outcome(delivery),
        "event_id": event.id,
        "event_type": event.type,
        "event_time": event.time,
        "subject": event.raw.get("subject"),
        "dispatched_at": delivery.dispatched_at,
        "next_attempt_at": delivery.next_attempt_at,
        "replayed": delivery.replayed,
        "run_id": delivery.run_id,
        "run_url": run_url(subscription, delivery.run_id),
    }
