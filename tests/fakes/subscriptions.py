"""Subscriptions, and the calls of their flows."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from shared.adapters.subscription_rows import (
    SUBSCRIPTIONS,
    signposts,
    subscription_key,
    subscription_of,
    subscription_row,
)
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.callbacks import Answer
from shared.domain.rules import AnyRule
from shared.domain.subscriptions import Subscription
from shared.domain.triggers import Trigger
from shared.errors import (
    ConfigurationError,
    InvalidInputError,
)
from tests.fakes.process import ClockFake, Fate
from tests.tables import TableFake


class SubscriptionRows(MutableMapping[str, tuple[Subscription, str]]):
    """The subscriptions of a table, seen and changed behind the back of whoever uses it, with what leads to them."""

    def __init__(self, table: TableFake) -> None:
        self._table = table

    def __getitem__(self, subscription_id: str) -> tuple[Subscription, str]:
        row = self._table.rows[subscription_key(subscription_id)]
        return subscription_of(row), str(row.metadata["etag"])

    def __setitem__(self, subscription_id: str, stands: tuple[Subscription, str]) -> None:
        del self[subscription_id]
        for row in (*signposts(stands[0]), subscription_row(stands[0])):
            self._table.write(row)

    def __delitem__(self, subscription_id: str) -> None:
        found = self._table.rows.pop(subscription_key(subscription_id), None)
        for row in signposts(subscription_of(found)) if found is not None else ():
            self._table.rows.pop((row["PartitionKey"], row["RowKey"]), None)

    def __iter__(self) -> Iterator[str]:
        first, last = SUBSCRIPTIONS["first"], SUBSCRIPTIONS["last"]
        return iter([row["id"] for (partition, _), row in self._table.rows.items() if first <= partition < last])

    def __len__(self) -> int:
        return len(list(iter(self)))


class SubscriptionStoreFake(SubscriptionTable):
    """The real store over a table in memory; `before_write` runs as somebody else might."""

    def __init__(self, *subscriptions: Subscription, fate: Fate | None = None, clock: ClockFake | None = None) -> None:
        self.table = TableFake((fate or Fate()).step, clock or ClockFake())
        self._table: Any = self.table
        self.rows = SubscriptionRows(self.table)
        for subscription in subscriptions:
            self.rows[subscription.id] = subscription, ""
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.reads = self.writes = 0

    async def _interrupted(self) -> None:
        if (intruder := self.before_write) is not None:
            self.before_write = None
            await intruder()

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        self.reads += 1
        return await super().get(subscription_id)

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        self.writes += 1
        await self._interrupted()
        return await super().put(subscription, version, replaced)

    async def delete(self, subscription: Subscription, version: str) -> None:
        await self._interrupted()
        await super().delete(subscription, version)

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        self.reads += 1
        return await super().rules(trigger, instance_id)


class CallbacksFake:
    """The flows: each URL answers its answers one after the other, the last for ever; `requests` is what came."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.refused: dict[str, str] = {}
        self.on_call: Callable[[], None] = lambda: None
        self.during: Callable[[], Awaitable[None]] | None = None

    async def admit(self, url: str) -> str:
        if url in self.refused:
            raise InvalidInputError({"callbackUrl": self.refused[url]})
        return url.split("/")[2]

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if (meanwhile := self.during) is not None:
            self.during = None
            await meanwhile()

        def call() -> None:
            self.on_call()
            self.requests.append((url, body, dict(headers)))

        await self._fate.step(call)
        answers = self.answers.get(url) or [Answer(202)]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class CipherFake:
    """Turns text around, bound to its context; `broken` has no fitting key."""

    def __init__(self) -> None:
        self.broken = False

    def seal(self, plaintext: str, *, context: str) -> bytes:
        return f"{context}|{plaintext[::-1]}".encode()

    def open(self, sealed: bytes, *, context: str) -> str:
        owner, _, text = sealed.decode().partition("|")
        if self.broken or owner != context:
            raise ConfigurationError("no key fits the callback")
        return text[::-1]
