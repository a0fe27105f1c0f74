"""`python -m tests.fuzz`: make so many requests to the app, judge each answer, and say what came of them."""

import argparse
import asyncio
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.app import SECRETS, opened
from tests.fuzz.judging import Judge
from tests.fuzz.making import Maker

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
TABLE = re.compile(r"(?<=<!-- fuzz -->\n).*?(?=<!-- /fuzz -->)", re.DOTALL)
# So many requests are made to the same stores: some calls find what others have left, and none takes ever longer.
ROUND = 250
# What the page tells of is a run of at least so many.
LONG = 100_000
SHOWN = 20


class Log(logging.Handler):
    """What the app logs: no secret, and nothing that begins a line of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        message, whole = record.getMessage(), self._formatter.format(record)
        if re.search(r"[\r\n]", message) and record.name.startswith("bridge"):
            self.faults.append(f"a line of the log breaks: {message[:200]!r}")
        self.faults += [f"the log tells {secret}" for secret in SECRETS if secret in whole]


@dataclass(slots=True)
class Outcome:
    """What came of the requests: how many of which status, how many reached an operation, and what was wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    asked: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def made(self) -> int:
        return self.statuses.total()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.statuses + other.statuses, self.asked + other.asked, self.faults + other.faults)


def fuzz(count: int, seed: int) -> Outcome:
    """Make so many requests, the same ones for the same seed."""
    return asyncio.run(_fuzz(count, seed))


async def _fuzz(count: int, seed: int) -> Outcome:
    outcome, log = Outcome(), Log()
    _listen(log)
    async with opened() as app:
        from triggers.openapi import describe  # noqa: PLC0415 - the worker has to be the first to load the functions
        from triggers.operations import OPERATIONS  # noqa: PLC0415

        description = describe(OPERATIONS, "http://bridge.test/api")
        maker, judge = Maker(description, random.Random(seed)), Judge(description)  # noqa: S311 - no secret
        for number in range(count):
            if number % ROUND == 0:
                await app.renew()
            request = maker.make(app.known)
            answered = await app.send(request)
            outcome.statuses[answered.status] += 1
            outcome.asked += bool(answered.upstream)
            wrong = [*judge.faults(request, answered), *log.faults]
            log.faults.clear()
            outcome.faults += [
                f"seed {seed}, request {number}: {request.method} {request.target[:300]} "
                f"{request.body[:200]!r} {request.headers}: {one}"
                for one in wrong
            ]
    return outcome


def _listen(log: Log) -> None:
    logging.getLogger().handlers = [log]
    logging.getLogger().setLevel(logging.INFO)
    # The host hides these as the platform's own; what fails there is an answer with 500.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL + 1)


def shares(count: int, jobs: int) -> Sequence[int]:
    """The count in so many shares."""
    return [count // jobs + (number < count % jobs) for number in range(jobs)]


def table(outcome: Outcome) -> str:
    """The figures as the page has them."""
    by_class = Counter[int]()
    for status, number in outcome.statuses.items():
        by_class[status // 100] += number
    lines = ["| Requests | How many |", "|---|---:|", f"| made | {outcome.made:,} |"]
    lines += [f"| answered {kind}xx | {by_class[kind]:,} |" for kind in (2, 3, 4, 5)]
    lines += [f"| that went on to Customer Insights | {outcome.asked:,} |", f"| faults | {len(outcome.faults):,} |"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fuzz; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("count", type=int, help="how many requests to make")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="makes the same requests again")  # noqa: S311
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--write", action="store_true", help="write the figures of a long run into docs/security.md")
    arguments = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        seeds = range(arguments.seed, arguments.seed + arguments.jobs)
        outcome = sum(pool.map(fuzz, shares(arguments.count, arguments.jobs), seeds), Outcome())
    sys.stdout.write("\n".join(outcome.faults[:SHOWN]) + "\n" if outcome.faults else "")
    sys.stdout.write(table(outcome))
    sys.stdout.write(
        f"seed {arguments.seed}, {time.monotonic() - began:.0f} s, {dict(sorted(outcome.statuses.items()))}\n"
    )
    if arguments.write and outcome.made >= LONG and not outcome.faults:
        PAGE.write_text(TABLE.sub(lambda _: table(outcome), PAGE.read_text("utf-8")), "utf-8")
    return min(1, len(outcome.faults))


if __name__ == "__main__":
    sys.exit(main())
