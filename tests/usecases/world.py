"""A world for deliveries: one subscription, one event in the queue, flows that answer as told, a virtual clock."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shared.domain.callbacks import Answer
from shared.domain.deliveries import DeadLetter, Delivery, Stage
from shared.domain.events import DataSourceRefreshSucceeded, Event
from shared.domain.subscriptions import TRIGGERS, Subscription, Wish
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.bury import Bury
from shared.usecases.deliver import Deliver, RetryPolicy
from shared.usecases.pace import Pace
from tests.fakes import (
    NOON,
    CallbacksFake,
    CipherFake,
    ClockFake,
    DeadLetterLogFake,
    DeliveryLogFake,
    DeliveryQueueFake,
    Fate,
    SubscriptionStoreFake,
)

URL = "https://prod-1.logic.azure.com/workflows/x?sig=secret"
MAX_TURNS = 500


def event_of(number: int = 0) -> Event:
    data = DataSourceRefreshSucceeded(instance_id="i1", data_source_id="d1", friendly_name="Verkäufe")
    return Event.of(data, time=NOON, occurrence=["d1", str(number)])


EVENT = event_of()


def subscription(  # noqa: PLR0913 - what a test may set, by name
    *,
    id_: str = "s1",
    slug: str = "data-source-refresh-succeeded",
    status: Any = "active",  # noqa: ANN401 - a parametrised literal
    url: str = URL,
    rule_id: str = "r1",
    instance_id: str = "i1",
    **filters: object,
) -> Subscription:
    trigger = TRIGGERS[slug]
    wanted = trigger.filters.model_validate(filters)
    return Subscription(
        id=id_,
        trigger=trigger,
        instance_id=instance_id,
        filters=wanted,
        callback=CipherFake().seal(url, context=id_),
        callback_host=url.split("/")[2],
        fingerprint=Wish(trigger, instance_id, wanted, url).fingerprint,
        rule_id=rule_id,
        created_at=NOON,
        updated_at=NOON,
        status=status,
    )


class World:
    def __init__(  # noqa: PLR0913 - what a test may set, by name
        self,
        *answers: Answer,
        of: Subscription | None = None,
        max_age: timedelta = timedelta(hours=76),
        rate: int = 1_000,
        deadly: int | None = None,
        after: bool = False,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self.clock = ClockFake()
        self.started = self.clock()
        self.fate = Fate(deadly, after=after)
        mine = of or subscription()
        self.mine = mine.id
        self.subscriptions = SubscriptionStoreFake(mine, fate=self.fate)
        self.records = DeliveryLogFake(self.fate)
        self.queue = DeliveryQueueFake(self.clock, self.fate)
        self.callbacks = CallbacksFake(self.fate)
        self.cipher = CipherFake()
        self.graveyard = DeadLetterLogFake(self.fate)
        self.bury = Bury(letters=self.graveyard, clock=self.clock, telemetry=telemetry)
        if answers:
            self.callbacks.answers[URL] = list(answers)
        self.policy = RetryPolicy((10, 30, 60), max_age, timedelta(seconds=30))
        self.rate = rate
        self.telemetry = telemetry
        self.times: list[float] = []
        self.deliver = self.worker()
        first = Delivery(mine.id, EVENT, self.clock())
        self.queue.messages.append((self.clock(), first.encode()))

    def worker(self) -> Deliver:
        """A new process."""
        return Deliver(
            subscriptions=self.subscriptions,
            records=self.records,
            queue=self.queue,
            callbacks=self.callbacks,
            cipher=self.cipher,
            bury=self.bury,
            pace=Pace(self.rate),
            clock=self.clock,
            policy=self.policy,
            user_agent="bridge/1",
            jitter=lambda: 0,
            telemetry=self.telemetry,
        )

    async def deliver_all(self, *, but: Sequence[str] = (), deaths: tuple[type[BaseException], ...] = ()) -> int:
        """Run each message when it shows, again when its process died; gives how many died."""
        died = 0
        for message in but:
            self.queue.remove(message)
        for _ in range(MAX_TURNS):
            shows_at = self.queue.next_at()
            if shows_at is None:
                return died
            self.clock.now = max(self.clock.now, shows_at)
            text = self.queue.due()[0]
            calls = self.calls()
            try:
                await self.deliver(text)
            except deaths:
                died += 1
                self.deliver = self.worker()
            else:
                self.queue.remove(text)
            self.times += [(self.clock() - self.started).total_seconds()] * (self.calls() - calls)
        raise AssertionError("messages go round for ever")

    def take(self) -> str:
        text = self.queue.due()[0]
        self.queue.remove(text)
        return text

    @staticmethod
    def event(number: int) -> Event:
        return event_of(number + 1)

    def calls(self) -> int:
        return len(self.callbacks.requests)

    def called_after(self) -> list[float]:
        """The seconds after the start at which the flow was called by `deliver_all` (a call before it: at 0)."""
        return [0.0] * (self.calls() - len(self.times)) + self.times

    def stage(self) -> Stage:
        return self.records.rows[(self.mine, EVENT.id)][0].stage

    def status(self) -> str:
        return self.subscriptions.rows[self.mine][0].status

    def letters(self) -> list[DeadLetter]:
        return list(self.graveyard.letters.values())
