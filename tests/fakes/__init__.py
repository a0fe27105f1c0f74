"""One fake per port, in memory, as faithful as the real thing where it matters: versions, delays, races, failures."""

from tests.fakes.deliveries import DeliveryStoreFake, DueStoreFake
from tests.fakes.logs import DeadLetterLogFake, EventLogFake, is_in, latest_first, page_of
from tests.fakes.polling import (
    BudgetFake,
    CheckpointStoreFake,
    InsightsFake,
    PollStoreFake,
    PublisherFake,
    TimerStoreFake,
)
from tests.fakes.process import NOON, ClockFake, Death, Fate
from tests.fakes.queues import QueueFake, WaitingFake
from tests.fakes.subscriptions import CallbacksFake, CipherFake, SubscriptionRows, SubscriptionStoreFake

__all__ = [
    "NOON",
    "BudgetFake",
    "CallbacksFake",
    "CheckpointStoreFake",
    "CipherFake",
    "ClockFake",
    "DeadLetterLogFake",
    "Death",
    "DeliveryStoreFake",
    "DueStoreFake",
    "EventLogFake",
    "Fate",
    "InsightsFake",
    "PollStoreFake",
    "PublisherFake",
    "QueueFake",
    "SubscriptionRows",
    "SubscriptionStoreFake",
    "TimerStoreFake",
    "WaitingFake",
    "is_in",
    "latest_first",
    "page_of",
]
