"""A world for deliveries: subscriptions, queues, a table of what is due, flows that answer as told, a virtual clock."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, New, RetryPolicy, Stage
from shared.domain.events.data_sources import DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from shared.domain.letters import DeadLetter
from shared.domain.messages import Look, Release, encode_new
from shared.domain.subscriptions import Subscription
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.agenda import EVERY
from shared.usecases.bury import Bury
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.wiring_delivering import wire_delivering
from shared.wiring_managing import wire_managing
from tests.fakes import (
    NOON,
    CallbacksFake,
    CipherFake,
    ClockFake,
    DeadLetterLogFake,
    DeliveryStoreFake,
    DueStoreFake,
    EventLogFake,
    Fate,
    InsightsFake,
    PublisherFake,
    QueueFake,
    SubscriptionStoreFake,
)

URL = "https://prod-1.logic.azure.com/workflows/x?sig=secret"
MAX_TURNS = 3_000


def event_of(number: int = 0, *, minutes: int | None = None) -> Event:
    """The event of an occurrence, each a minute after the one before unless it is said otherwise."""
    data = DataSourceRefreshSucceeded(instance_id="i1", data_source_id="d1", friendly_name="Verkäufe")
    at = NOON + timedelta(minutes=number if minutes is None else minutes)
    return Event.of(data, time=at, occurrence=["d1", str(number)])


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
    """`deadly` and `after` kill the process around one of its steps; `rate` is per second."""

    def __init__(  # noqa: PLR0913 - what a test may set, by name
        self,
        *answers: Answer,
        of: Subscription | None = None,
        events: Sequence[Event] = (EVENT,),
        max_age: timedelta = timedelta(hours=76),
        keep: timedelta = timedelta(days=30),
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
        self.deliveries = DeliveryStoreFake(self.fate)
        self.queue = QueueFake[New | Look](self.clock, self.fate)
        self.releases = QueueFake[Release](self.clock, self.fate)
        self.due = DueStoreFake(self.fate)
        self.events = EventLogFake(self.fate)
        self.callbacks = CallbacksFake(self.fate)
        self.callbacks.on_call = lambda: self.called.append((self.clock() - self.started).total_seconds())
        self.called: list[float] = []
        self.cipher = CipherFake()
        self.graveyard = DeadLetterLogFake(self.fate)
        self.bury = Bury(letters=self.graveyard, clock=self.clock, telemetry=telemetry)
        if answers:
            self.callbacks.answers[URL] = list(answers)
        self.publisher = PublisherFake(self.fate)
        self.publish = Publish(publisher=self.publisher, bury=self.bury, clock=self.clock, telemetry=telemetry)
        self.policy = RetryPolicy((10, 30, 60), max_age)
        self.keep = keep
        self.rate = rate
        self.telemetry = telemetry
        self.swept = self.clock()
        self.begin()
        for event in events:
            self.dispatch(event)

    def begin(self) -> None:
        """A new process."""
        self.delivering = delivering = wire_delivering(
            subscriptions=self.subscriptions,
            deliveries=self.deliveries,
            events=self.events,
            logs=[],
            due=self.due,
            incoming=self.queue,
            queue=self.queue,
            releases=self.releases,
            callbacks=self.callbacks,
            cipher=self.cipher,
            publish=self.publish,
            bury=self.bury,
            policy=self.policy,
            timeout=timedelta(seconds=30),
            per_second=self.rate,
            keep=self.keep,
            user_agent="bridge/1",
            clock=self.clock,
            telemetry=self.telemetry,
            jitter=lambda: 0,
            seconds=lambda: self.clock().timestamp(),
            sleep=self.sleep,
        )
        self.notify, self.agenda, self.backlog = delivering.notify, delivering.agenda, delivering.backlog
        self.attempt, self.deliver, self.release = delivering.attempt, delivering.deliver, delivering.release
        managing = wire_managing(
            subscriptions=self.subscriptions,
            deliveries=self.deliveries,
            events=self.events,
            letters=self.graveyard,
            insights=InsightsFake(),
            served=Served(["i1"]),
            callbacks=self.callbacks,
            cipher=self.cipher,
            delivering=delivering,
            clock=self.clock,
        )
        self.subscribe, self.edit, self.follow = managing.subscribe, managing.edit, managing.follow
        self.redeliver, self.replay = managing.redeliver, managing.replay

    async def sleep(self, seconds: float) -> None:
        for _ in range(10):  # what has begun calls its flow before the time has passed
            await asyncio.sleep(0)
        self.clock.advance(timedelta(seconds=seconds))

    def dispatch(self, event: Event, to: str | None = None, *, by_hand: str | None = None) -> None:
        new = New(to or self.mine, event, self.clock(), by_hand)
        self.queue.messages.append((self.clock(), encode_new(new)))

    async def run(self, *, until: timedelta | None = None, deaths: tuple[type[BaseException], ...] = ()) -> int:
        """Run each message when it shows, and the timer each minute, until nothing is left or that time has passed.

        A message whose process died comes again, counted. Gives how many processes died.
        """
        died, tries = 0, dict[str, int]()
        end = None if until is None else self.clock() + until
        for _ in range(MAX_TURNS):
            times = [at for at in (self.queue.next_at(), self.releases.next_at()) if at is not None]
            if self.due.rows:
                times.append(max(self.clock(), self.swept + EVERY))
            if not times:
                return died
            if end is not None and min(times) > end:
                self.clock.now = max(self.clock.now, end)
                return died
            self.clock.now = max(self.clock.now, min(times))
            try:
                await self._turn(tries)
            except deaths:
                died += 1
                self.begin()
        raise AssertionError("messages go round for ever")

    async def _turn(self, tries: dict[str, int]) -> None:
        if self.due.rows and self.clock() >= self.swept + EVERY:
            self.swept = self.clock()
            await self.agenda.advance()
        elif due := self.queue.due():
            tries[due[0]] = tries.get(due[0], 0) + 1
            await self.deliver(due[0], tries[due[0]])
            self.queue.remove(due[0])
        elif due := self.releases.due():
            await self.release(due[0])
            self.releases.remove(due[0])

    def take(self) -> str:
        text = self.queue.due()[0]
        self.queue.remove(text)
        return text

    def calls(self) -> int:
        return len(self.callbacks.requests)

    def delivery(self, event: Event = EVENT, of: str | None = None) -> Delivery:
        return self.deliveries.rows[(of or self.mine, Delivery.held(New(self.mine, event, NOON), NOON).key)][0]

    def stage(self, event: Event = EVENT) -> Stage:
        return self.delivery(event).stage

    def stages(self) -> list[Stage]:
        """The stages of all deliveries, oldest event first."""
        return [delivery.stage for _, (delivery, _) in sorted(self.deliveries.rows.items(), key=lambda row: row[0][1])]

    def status(self) -> str:
        return self.subscriptions.rows[self.mine][0].status

    def letters(self) -> list[DeadLetter]:
        return list(self.graveyard.letters.values())

    def is_quiet(self) -> bool:
        """Whether nothing is arranged any more."""
        return not (self.queue.messages or self.releases.messages or self.due.rows)
