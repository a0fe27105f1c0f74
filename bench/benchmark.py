"""What a benchmark declares: sides that take turns at the same work, what their turns give, and the bars for ours."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Literal, NamedTuple

OURS: Final = "ours"
LIMIT: Final = "limit"

type Unit = Literal["s", "bytes", "calls"]


class MissingError(Exception):
    """A peer cannot take part here; the message says why, and the table repeats it."""


class CountError(AssertionError):
    """Something was counted that has to be another number, on every machine."""


class Count(NamedTuple):
    """What a turn counted, and what it has to be."""

    counted: int
    exact: int


@dataclass(frozen=True, slots=True)
class Took:
    """What a turn took, in the benchmark's unit: less is better. One figure has no name of its own: "".

    A figure `p99` of the side `ours` is `ours p99` in the results, and so are counts.
    """

    figures: Mapping[str, float]
    counts: Mapping[str, Count] = field(default_factory=dict)


# One turn of a side at the whole work; a plain number is its one figure.
type Turn = Callable[[], Awaitable[float | Took]]
# The sides in the order of the table. A peer that cannot take part stands there as the error that says why.
type Sides = Mapping[str, Turn | MissingError]


@dataclass(frozen=True, slots=True)
class Bar:
    """What is to be reached: the figure `of`, divided by the figure `to` of the same round, at most or at least.

    Without `to`, it is the figure itself. The bar holds for the median of the rounds.
    """

    says: str
    of: str
    to: str | None = None
    most: float | None = None
    least: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a value reaches it."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark; each module `bench/b*.py` holds one as `BENCHMARK`.

    `sides(short)` prepares everything, and gives the sides while its context is open; in the short form the work is
    small and nothing is installed. `work` says in a line what a turn does. The first bar is the one of the chart.
    """

    number: str
    title: str
    work: str
    unit: Unit
    bars: tuple[Bar, ...]
    sides: Callable[[bool], AbstractAsyncContextManager[Sides]]
    rounds: int = 5


async def timed(work: Awaitable[object]) -> float:
    """The seconds that a work takes."""
    begun = perf_counter()
    await work
    return perf_counter() - begun
