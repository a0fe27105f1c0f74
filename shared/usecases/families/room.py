"""A room: what one family of resources reads, remembers and compares. The poll knows families by their rooms only."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from shared.domain.checkpoints import Family, State
from shared.domain.events.envelope import Event
from shared.domain.resources import Job
from shared.errors import BridgeError
from shared.usecases.families.feeds import Feeds


@dataclass(frozen=True, slots=True)
class Compared:
    """What to remember after comparing, what is news, what could not be read, and the jobs that tell what goes on."""

    state: State
    events: Sequence[Event]
    failures: Sequence[BridgeError] = ()
    going_on: Sequence[Job] = ()

    def with_news(self, events: Sequence[Event]) -> "Compared":
        """The same with more events, before the others."""
        return replace(self, events=[*events, *self.events])


@dataclass(frozen=True, slots=True)
class Room[S: State]:
    """A family, and how it compares the feeds with what it remembers (None: the first poll)."""

    family: Family
    compare: Callable[[S | None, Feeds], Awaitable[Compared]]

    async def __call__(self, state: State | None, feeds: Feeds) -> Compared:
        """Read and compare; the very state comes back where nothing changed."""
        if state is not None and not isinstance(state, self.family.remembers):
            raise TypeError(f"the state of {self.family} is a {type(state).__name__}")
        return await self.compare(cast("S | None", state), feeds)
