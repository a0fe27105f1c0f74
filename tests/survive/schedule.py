"""Schedules: what happens to a bridge, when, and what goes wrong, as a seed will have it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from random import Random

from tests.survive.calls import DELIVERING, PEOPLE, POLLING
from tests.survive.cloud import Fault, Trouble
from tests.survive.outside import MOODS
from tests.survive.tenant import FIRST, SOURCES
from tests.survive.worker import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription that a flow asks for; with a chosen id, by PUT."""

    slug: str
    filters: Mapping[str, object] = field(default_factory=dict)
    is_chosen: bool = False
    instance_id: str = "i1"

    def __str__(self) -> str:
        asked = "".join(f" {name}={value}" for name, value in self.filters.items())
        return f"{self.slug}{asked}{' (id chosen)' if self.is_chosen else ''}"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens at a time, in seconds since the beginning."""

    at: float
    do: str
    of: tuple[object, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, (f"{self.at:9.3f} s", self.do, *self.of)))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A bridge, and what happens to it. Without `polls`, what happens in the tenant is published as it happens."""

    seed: int
    workers: int
    polls: bool
    settings: Settings
    flows: Sequence[Wanted]
    steps: Sequence[Step | Fault]

    def __str__(self) -> str:
        settings = self.settings
        lines = [
            f"seed {self.seed}: {self.workers} workers, {'polls' if self.polls else 'no polls'}",
            f"  rate {settings.rate}/s, retries {settings.retry_seconds}, inline max {settings.inline_max}",
            f"  max age {settings.max_age}, kept {settings.keep}",
            *(f"  flow {number}: {wanted}" for number, wanted in enumerate(self.flows)),
            *(f"  {step}" for step in self.steps),
        ]
        return "\n".join(lines)

    @property
    def faults(self) -> dict[tuple[str, int], Trouble]:
        """What goes wrong on the way to the cloud."""
        return {(one.call, one.number): one.trouble for one in self.steps if isinstance(one, Fault)}

    @property
    def happenings(self) -> list[Step]:
        """The steps in their order."""
        return sorted((one for one in self.steps if isinstance(one, Step)), key=lambda one: one.at)

    def with_steps(self, steps: Sequence[Step | Fault]) -> "Schedule":
        """The same, of these steps."""
        return replace(self, steps=tuple(steps))


WANTED = (
    Wanted("data-source-refresh-succeeded"),
    Wanted("data-source-refresh-succeeded"),
    Wanted("data-source-refresh-succeeded", {"data_source_id": "d1"}),
    Wanted("data-source-refresh-failed"),
    Wanted("subscription-suspended", instance_id="*"),
    Wanted("subscription-resumed", instance_id="*"),
    Wanted("subscription-failing", instance_id="*"),
)
WATCHED = (
    Wanted("segment-threshold-crossed", {"segment_name": "S", "threshold": Decimal(FIRST), "direction": "either"}),
    Wanted("measure-threshold-crossed", {"measure_name": "M", "threshold": Decimal(FIRST), "direction": "either"}),
    Wanted("segment-threshold-crossed", {"segment_name": "S", "threshold": Decimal(70)}),
    Wanted("system-refresh-completed"),
    Wanted("polling-failed", instance_id="*"),
    Wanted("polling-recovered", instance_id="*"),
)
# Some schedules last so long, in seconds, and reach the age at which a delivery is given up, and that to which all is
# kept. A message whose process died comes again after ten minutes: both ages are more, as they are in the settings.
LONG, AGES = 3_000, (timedelta(minutes=15), timedelta(minutes=30))
TROUBLES: Mapping[Trouble, int] = {
    "refused": 4,
    "denied": 1,
    "lost": 6,
    "repeated": 7,
    "slow": 3,
    "dies before": 4,
    "dies after": 6,
}
PERSONS: Mapping[str, int] = {
    "pause": 4,
    "activate": 4,
    "discard": 2,
    "subscribe": 3,
    "unsubscribe": 2,
    "leave": 1,
    "edit": 2,
    "relabel": 1,
    "replay": 3,
    "replay all": 1,
    "redeliver": 3,
    "redeliver letters": 4,
    "test": 1,
}


def _one[T](chance: Random, odds: Mapping[T, int]) -> T:
    return chance.choices(list(odds), list(odds.values()))[0]


def schedule_of(seed: int) -> Schedule:
    """The schedule of a seed. Each has a taste of its own: what it has much of, and what none of."""
    chance = Random(seed)  # noqa: S311 - a schedule, and no secret
    polls = chance.random() < 0.35
    is_long = chance.random() < 0.12
    ends = LONG if is_long else chance.choice((240, 480, 900) if polls else (120, 300, 600, 900))
    settings = Settings(
        rate=chance.choice((1_000, 1_000, 15, 5, 2, 1)),
        retry_seconds=chance.choice(((10, 30, 60), (5, 10, 20, 40), (10, 200, 400), (150, 300))),
        max_age=AGES[0] if is_long else timedelta(hours=76),
        keep=AGES[1] if is_long else timedelta(days=30),
        inline_max=chance.choice((20, 20, 0)),
    )
    wanted = WANTED + WATCHED * 2 if polls else WANTED
    flows = [chance.choice(wanted) for _ in range(chance.choice((1, 1, 2, 3)))]
    flows = [replace(one, is_chosen=chance.random() < 0.3) for one in flows]
    has_people = chance.random() < 0.6
    calls = {**DELIVERING, **(POLLING if polls else {}), **(PEOPLE if has_people else {})}
    steps = [
        *_in_the_tenant(chance, ends, polls=polls),
        *_of_flows(chance, ends, len(flows)),
        *(_of_people(chance, ends, len(flows)) if has_people else ()),
        *_of_the_host(chance, ends, polls=polls),
        *_faults(chance, calls),
        *_outage(chance, calls),
        *_resumed(chance, len(flows)),
        *_edited(chance, len(flows)),
        *(_kept_waiting(chance, len(flows)) if is_long else ()),
    ]
    workers = chance.choice((1, 1, 2, 3))
    steps += _untold(chance, len(flows))
    return Schedule(seed, workers, polls, settings, tuple(flows), tuple(steps))


def _at(chance: Random, ends: int) -> float:
    return round(chance.uniform(5, ends), 1)


def _in_the_tenant(chance: Random, ends: int, *, polls: bool) -> Iterator[Step]:
    for _ in range(chance.randint(1, 8)):
        number = chance.choice((1, 1, 1, 2, 5, 12))
        outcome = chance.choice(("successful", "successful", "successful", "failed"))
        yield Step(_at(chance, ends), "refresh", (chance.choice(SOURCES), outcome, number))
    if not polls:
        return
    for _ in range(chance.randint(0, 6)):
        value = chance.choice(("segment", "measure")), chance.choice((20, 50, 60, 90))
        yield Step(_at(chance, ends), "value", value)
    for _ in range(chance.choice((0, 0, 1, 2))):
        yield Step(_at(chance, ends), "credentials", (chance.choice(SOURCES),))
    if chance.random() < 0.2:
        begins = _at(chance, ends)
        yield Step(begins, "api", (chance.choice(("hangs", "denies")),))
        yield Step(begins + chance.choice((50, 200, 1_000)), "api", ("well",))


def _of_flows(chance: Random, ends: int, flows: int) -> Iterator[Step]:
    if chance.random() < 0.25:
        mood = chance.choice(("broken", "busy", "rejects", "off"))
        for number in range(flows):
            yield Step(5.0, "flow", (number, mood))
    for number in range(flows):
        for _ in range(chance.choice((0, 0, 1, 2, 4))):
            yield Step(_at(chance, ends), "flow", (number, chance.choice(MOODS)))
    if chance.random() < 0.1:
        # All flows are slow, and many wait for them when a process dies.
        begins = round(chance.uniform(5, 100), 1)
        for number in range(flows):
            yield Step(begins, "flow", (number, "slow"))
        for source in SOURCES:
            yield Step(begins + 1, "refresh", (source, "successful", 12))
        yield Step(round(begins + chance.uniform(6, 25), 1), "dies")


def _of_people(chance: Random, ends: int, flows: int) -> Iterator[Step]:
    for _ in range(chance.choice((1, 2, 4, 7))):
        yield Step(_at(chance, ends), _one(chance, PERSONS), (chance.randrange(flows),))


def _of_the_host(chance: Random, ends: int, *, polls: bool) -> Iterator[Step]:
    for _ in range(chance.choice((0, 0, 1, 2))):
        yield Step(_at(chance, ends), chance.choice(("dies", "dies", "starts", "stops", "ticks twice")))
    if chance.random() < 0.2:
        # While the timers run.
        yield Step(60 * chance.randrange(1, ends // 60) + round(chance.uniform(0, 0.08), 3), "dies")
    if chance.random() < 0.15:
        for _ in range(chance.choice((1, 2))):
            yield Step(_at(chance, ends), "clock jumps", (chance.choice((-300, -45, -5, 5, 45, 300)),))
    if not polls:
        return
    for _ in range(chance.choice((0, 0, 2, 4))):
        yield Step(float(60 * chance.randrange(1, ends // 60)), "ticks twice")
    if chance.random() < 0.15:
        family = chance.choice(("jobs", "segments", "measures"))
        yield Step(_at(chance, ends), "checkpoint restored", (family, chance.choice((1, 2, 3))))
    if chance.random() < 0.1:
        begins = _at(chance, ends)
        yield Step(begins, "timers", ("stop",))
        yield Step(begins + chance.choice((200, 600)), "timers", ("go",))


def _faults(chance: Random, calls: Mapping[str, int]) -> Iterator[Fault]:
    if chance.random() < 0.5:
        # Some schedules have their faults in few places only.
        calls = {name: calls[name] for name in chance.sample(sorted(calls), 6)}
    for _ in range(chance.choice((0, 2, 5, 10, 20))):
        number = chance.randrange(chance.choice((4, 12, 40)))
        yield Fault(_one(chance, calls), number, _one(chance, TROUBLES))


def _outage(chance: Random, calls: Mapping[str, int]) -> Iterator[Fault]:
    """One call goes wrong in one way for some time."""
    if chance.random() < 0.35:
        call, first, trouble = _one(chance, calls), chance.randrange(12), _one(chance, TROUBLES)
        for number in range(first, first + chance.randint(2, 8)):
            yield Fault(call, number, trouble)


def _kept_waiting(chance: Random, flows: int) -> Iterator[Step]:
    """A flow lets its deliveries wait until they are too old, or until shortly before."""
    flow, how = chance.randrange(flows), chance.choice(("pause", "busy", "denies", "off"))
    yield Step(6.0, "pause", (flow,)) if how == "pause" else Step(6.0, "flow", (flow, how))
    for source in SOURCES:
        yield Step(_at(chance, 60), "refresh", (source, "successful", chance.choice((1, 2, 5))))
    ends = chance.choice(AGES).total_seconds() * chance.choice((0.5, 0.9, 1.1, 1.6))
    yield Step(round(ends, 1), "flow", (flow, "takes"))
    yield Step(round(ends + 5, 1), "activate", (flow,))


def _edited(chance: Random, flows: int) -> Iterator[Step | Fault]:
    """A flow wants something else from now on, and what led the former events to it may be left."""
    if chance.random() < 0.9:
        return
    flow, at = chance.randrange(flows), round(chance.uniform(20, 60), 1)
    yield Step(at, "edit", (flow,))
    yield Step(at + 8, "refresh", (SOURCES[0], "successful", 2))
    yield Fault("subscriptions.delete", 0, chance.choice(("refused", "dies before", "dies after")))


def _untold(chance: Random, flows: int) -> Iterator[Step | Fault]:
    """A subscription is suspended and resumed while the topic takes nothing."""
    if chance.random() < 0.92:
        return
    flow, at = chance.randrange(flows), round(chance.uniform(20, 60), 1)
    yield Step(at, "flow", (flow, chance.choice(("off", "gone"))))
    yield Step(at + 1, "refresh", (SOURCES[0], "successful", 1))
    yield Step(at + 15, "flow", (flow, "takes"))
    yield Step(at + 16, "activate", (flow,))
    for number in range(chance.randint(2, 6)):
        yield Fault("topic.publish", number, "refused")


def _resumed(chance: Random, flows: int) -> Iterator[Step | Fault]:
    """A backlog is let out to a flow that is not well, by a process that dies of it; or slowly, while more comes."""
    if chance.random() < 0.8:
        return
    flow, at = chance.randrange(flows), round(chance.uniform(70, 110), 1)
    yield Step(5.5, "pause", (flow,))
    yield Step(10.0, "refresh", (SOURCES[0], "successful", chance.randint(1, 4)))
    yield Step(at, "activate", (flow,))
    if chance.random() < 0.5:
        yield Step(at - 1, "flow", (flow, chance.choice(("busy", "broken"))))
        yield Step(at + 20, "flow", (flow, "takes"))
        call = chance.choice(("deliveries.transact", "queue deliveries.add"))
        yield Fault(call, chance.randrange(12), chance.choice(("dies before", "dies after")))
        return
    yield Step(round(at + chance.uniform(1, 6), 1), "refresh", (SOURCES[0], "successful", 1))
    for number in range(80):
        yield Fault("subscriptions.get", number, "slow")
        yield Fault("subscriptions.replace", number, "slow")
