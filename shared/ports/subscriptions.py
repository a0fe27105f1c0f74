"""What subscriptions need: where they are kept, and the flows behind them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.callbacks import Answer
from shared.domain.routes import Route
from shared.domain.rules import AnyRule
from shared.domain.subscriptions import Standing, Status, Subscription
from shared.domain.triggers import Trigger


class SubscriptionStore(Protocol):
    """Where subscriptions are kept, and found by the events they want.

    A subscription's own row is the truth about it. What leads events to it is written before it and removed after it,
    so that no event misses a subscription that is shown; what is left over leads nowhere, and is cleared away.
    """

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        """A subscription and its version, or None. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        """Write a new one (None) or replace that version (which is `replaced`); gives the new version.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        ...

    async def delete(self, subscription: Subscription, version: str) -> None:
        """Remove that version. Raises `LostRaceError` when it has been changed."""
        ...

    def all(
        self, instance_id: str | None = None, trigger: Trigger | None = None, status: Status | None = None
    ) -> AsyncIterator[Subscription]:
        """Every subscription, or those of an instance, a trigger, a status."""
        ...

    def noticeable(self, now: datetime) -> AsyncIterator[Subscription]:
        """Those with notices that somebody has to see to by now."""
        ...

    def standings(self) -> AsyncIterator[Standing]:
        """How every subscription stands, read without the rest of it."""
        ...

    async def id_of(self, fingerprint: str) -> str | None:
        """The id of the subscription that has this fingerprint, if a caller chose the id."""
        ...

    def matching(self, route: Route) -> AsyncIterator[str]:
        """The ids of the subscriptions that stand at a route, whatever their status."""
        ...

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        """The rules of all subscriptions of a trigger that has the poll watch something, whatever their status."""
        ...

    async def tidy(self, now: datetime) -> int:
        """Write what is missing to lead events to each subscription, and remove what leads nowhere; gives how many."""
        ...


class Callbacks(Protocol):
    """The flows' side."""

    async def admit(self, url: str) -> str:
        """Check a callback URL and where it leads; gives its host. Raises `InvalidInputError` on `callbackUrl`."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one attempt. Raises nothing for what the other side or the network does."""
        ...


class Cipher(Protocol):
    """Keeps callback URLs and secrets unreadable at rest; `context` says whose a text is, and what it is for."""

    def seal(self, plaintext: str, *, context: str) -> bytes:
        """Encrypt."""
        ...

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt. Raises `ConfigurationError` when no key fits."""
        ...
