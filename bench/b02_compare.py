"""B2: what has changed, of how many? Segments and rules against a checkpoint, beside one pass over two dicts.

How long a poll that does so holds up the event loop is measured in a process of its own (`bench/stretch.py`).
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import process_time
from typing import Final

from bench.answers import NIGHT, answers, tenant
from bench.benchmark import Bar, Benchmark, Count, Sides, Took
from bench.polled import WATCHED
from bench.served import served
from local.tenant.runs import Plan, run_full_refresh
from shared.domain import thresholds, watching
from shared.domain.resources import COMPLETED_SUCCESS, Segment, SegmentEvaluation
from shared.domain.rules import Rule
from shared.domain.watching import ValuesState

_MANY: Final = 100_000
_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_NOW: Final = _AT + timedelta(days=1)
_EVERY: Final = 100  # one of so many has changed


def _listed(count: int, *, later: bool = False) -> list[Segment]:
    """Segments as an answer brings them; `later`, some have been evaluated again and have grown."""

    def evaluation(number: int) -> SegmentEvaluation:
        again = later and number % _EVERY == 0
        at = _AT + timedelta(hours=5 if again else 0, seconds=number % 60)
        return SegmentEvaluation(COMPLETED_SUCCESS, at, 2000 if again else 500)

    return [Segment(f"segment{n}", f"Segment {n}", evaluation(n), state="active") for n in range(count)]


def _compared(state: ValuesState, listed: list[Segment], rules: list[Rule]) -> int:
    """What a poll does with them; gives how many thresholds were crossed."""
    changed = watching.changed(state, listed, watching.seen_segment)
    thresholds.moved(state, changed, rules)
    _, crossings = thresholds.compare(state, changed, listed, rules, _NOW)
    return len(crossings)


def _passed(known: dict[str, tuple[str | None, datetime]], listed: dict[str, tuple[str | None, datetime]]) -> int:
    """How many differ in one of two fields."""
    found = 0
    for name, (status, at) in listed.items():
        old = known[name]
        if old[0] != status or old[1] != at:
            found += 1
    return found


class _Work:
    """The same work for both sides."""

    def __init__(self, count: int) -> None:
        before, after = _listed(count), _listed(count, later=True)
        self.rules = [Rule(f"rule{n}", f"segment{n}", Decimal(1000)) for n in range(count)]
        changed = watching.changed(None, before, watching.seen_segment)
        state, _ = thresholds.compare(None, changed, before, self.rules, _NOW)
        # As it is loaded: no object of it is one of the answer's.
        self.state = ValuesState.model_validate_json(state.model_dump_json())
        self.after = after
        self.known, self.listed = _two_fields(before), _two_fields(after)
        self.changes = len(range(0, count, _EVERY))

    def ours(self) -> tuple[float, Count]:
        """Seconds, and what was found."""
        begun = process_time()
        found = _compared(self.state, self.after, self.rules)
        return process_time() - begun, Count(found, self.changes)

    def limit(self) -> tuple[float, Count]:
        """Seconds, and what was found."""
        begun = process_time()
        found = _passed(self.known, self.listed)
        return process_time() - begun, Count(found, self.changes)


def _two_fields(listed: Iterable[Segment]) -> dict[str, tuple[str | None, datetime]]:
    return {one.name: (one.latest.status, one.latest.at) for one in listed if one.latest and one.latest.at}


def _shown(count: int) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """What a tenant with so many segments and measures answers before and after one of a hundred has grown."""
    made, instance = tenant(count)
    before = answers(instance).by_path(made)
    grown = range(0, count, _EVERY)
    plan = Plan(
        counts={f"Segment_{number:05}": 2 * WATCHED for number in grown},
        values={f"Measure_{number:05}": Decimal(2 * WATCHED) for number in grown},
    )
    run_full_refresh(instance, NIGHT + timedelta(days=1), plan)
    after = answers(instance).by_path(made)

    def mixed(name: str) -> bytes:
        pairs = enumerate(zip(json.loads(before[name]), json.loads(after[name]), strict=True))
        return json.dumps([pair[number % _EVERY == 0] for number, pair in pairs]).encode()

    # With the job that has evaluated them before, for what is listed no more may have evaluated them as well.
    jobs = [json.loads(after["/jobs"])[0], *json.loads(before["/jobs"])]
    lists = {name: mixed(name) for name in ("/manage/segments", "/manage/measures")}
    return before, {**after, **lists, "/jobs": json.dumps(jobs).encode()}


async def _stretch(before: str, after: str, crossed: int) -> Took:
    """For how long a poll held up its event loop, with how many thresholds were crossed."""
    command = (sys.executable, "-m", "bench.stretch", before, after)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    seconds, found = json.loads(told)
    return Took({"stretch": seconds}, {"crossings": Count(found, crossed)})


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    count = 100 if short else 10_000
    few, many = _Work(count), _Work(1_000 if short else _MANY)
    shown = _shown(count)

    async def ours(before: str, after: str) -> Took:
        seconds, found = few.ours()
        more, found_of_many = many.ours()
        held = await _stretch(before, after, 2 * few.changes)
        figures = {"": seconds, "of 100,000": more, **held.figures}
        return Took(figures, {"changes": found, "changes of 100,000": found_of_many, **held.counts})

    async def limit() -> Took:
        seconds, found = few.limit()
        more, found_of_many = many.limit()
        return Took({"": seconds, "of 100,000": more}, {"changes": found, "changes of 100,000": found_of_many})

    async with served(shown[0]) as before, served(shown[1]) as after:
        yield {"ours": lambda: ours(before, after), "limit": limit}


BENCHMARK = Benchmark(
    number="B2",
    title="Compare",
    work="10,000 segments and 10,000 rules with a checkpoint, 1 % changed",
    unit="s",
    bars=(
        Bar("at most 8 times a pass over two dicts", "ours", "limit", most=8),
        Bar("the same for 100,000", "ours of 100,000", "limit of 100,000", most=8),
        Bar("and a poll holds up its event loop for at most 50 ms", "ours stretch", most=0.05),
    ),
    sides=_sides,
    rounds=7,
)
