"""What polling needs: Customer Insights and its budget, what is remembered of it, and the topic."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.polls import Polled
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import Combination
from shared.domain.timers import Ticked


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

    async def job(self, instance_id: str, job_id: str) -> Job:
        """One job with its tasks."""
        ...

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        ...

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        ...

    async def measure(self, instance_id: str, name: str, history_days: int | None = None) -> Measure:
        """One measure; with `history_days`, with its evaluations and outputs of so many days."""
        ...

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        """The rows of a measure's own table for these combinations; none for what the API does not know or take."""
        ...

    def told_time(self, instance_id: str) -> datetime | None:
        """What time it was by the tenant's own clock when it last answered about an instance, where it told."""
        ...


class Budget(Protocol):
    """What Customer Insights takes of the bridge."""

    def begin(self) -> float:
        """Keep room for the calls of a poll until its `end`; or give the seconds after which to ask again."""
        ...

    def end(self) -> None:
        """Give up the room of a poll."""
        ...


class CheckpointStore(Protocol):
    """Where checkpoints are kept."""

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        """The checkpoint and its version; a new one and None before the first save.

        Raises `CheckpointError` for one that cannot be read.
        """
        ...

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        """Replace the version that was loaded; gives the new version. Raises `LostRaceError` when it is another's."""
        ...


class PollStore(Protocol):
    """Where it stands how the polls go."""

    async def get(self, instance_id: str, family: Family) -> tuple[Polled, str] | None:
        """How the polls of a family go, and its version, or None.

        Raises `FormatError` for a row of another version of the bridge.
        """
        ...

    async def put(self, polled: Polled, version: str | None) -> str:
        """Write how they go, new (None) or in place of that version; gives the new version.

        Raises `LostRaceError` when there is a row already, or it has been changed.
        """
        ...

    async def remove(self, polled: Polled) -> None:
        """Forget how they go, also when it is forgotten already."""
        ...

    def all(self) -> AsyncIterator[Polled]:
        """How the polls of all instances and families go, by instance. Raises `FormatError` as `get` does."""
        ...


class TimerStore(Protocol):
    """Where it stands when the timers and the heartbeat last ran."""

    async def all(self) -> Sequence[Ticked]:
        """When each last ran. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def put(self, ticked: Ticked) -> None:
        """Write when one last ran, whatever stands there."""
        ...


class Publisher(Protocol):
    """The Event Grid topic."""

    async def publish(self, events: Sequence[Mapping[str, object]]) -> None:
        """Publish CloudEvents; those already taken may be published again after an error."""
        ...
