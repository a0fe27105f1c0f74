"""The ports: what the use cases need from the outside world, and the errors each may raise.

Every port may raise `TransientError` (try again later) and `ConfigurationError` (somebody must act).
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.deliveries import Attempt, DeadLetter, Delivery, DeliveryRecord
from shared.domain.events import Event
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.subscriptions import Rule, Subscription


class Insights(Protocol):
    """The Customer Insights API of one tenant. Raises `NotFoundError` for what does not exist."""

    async def instances(self) -> Sequence[Instance]:
        """All instances the bridge's identity can see."""
        ...

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        """All data sources."""
        ...

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        """The state of every workflow node that names its object."""
        ...

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        """The latest `top` jobs with their tasks, newest first."""
        ...

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        ...

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        ...

    async def measure(self, instance_id: str, name: str) -> Measure:
        """One measure with its history."""
        ...
