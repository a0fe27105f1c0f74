"""Schedules: the bridge survives some of them, each is the same each time, and each guard has its place in the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.survive.calls import CALLS
from tests.survive.guards import GUARDS, stands_in
from tests.survive.page import CAUGHT_WITHIN, PAGE
from tests.survive.report import explained, some
from tests.survive.run import CALLS_OF, survive
from tests.survive.schedule import Schedule, Step, schedule_of
from tests.survive.shrink import shrunk

ROOT = Path(__file__).parents[2]
PARTS = 10
# These are caught soon; all of them are taken out by `make survive GUARDS=1`.
SOON = (
    "the first poll publishes nothing",
    "an attempt is claimed",
    "a record and its place in the line are written at once",
    "a backlog is let out at the rate",
    "a notice stands in the subscription from the write that makes it true",
)


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_repeated_or_made_up(part: int) -> None:
    counts, failed = some(part * 500 // PARTS, 500 // PARTS)
    assert not failed, explained(failed[0])
    made = {name.removeprefix(CALLS_OF) for name in counts if name.startswith(CALLS_OF)} - {"ports", "flows"}
    assert made <= {*CALLS}, "a call that nothing goes wrong with"
    assert part or made == {*CALLS}, "a call that nobody makes"


def in_a_process_of_its_own(code: str, *, seed: str = "0") -> str:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_seed_is_one_schedule_whatever_the_process() -> None:
    code = """
from tests.survive.run import survive
from tests.survive.schedule import schedule_of
for seed in (7, 13, 20):
    print("\\n".join(survive(schedule_of(seed), traced=True).trace))
"""
    first, second = (in_a_process_of_its_own(code, seed=seed) for seed in ("1", "2"))
    assert len(first) > 10_000
    assert first == second


@pytest.mark.parametrize("name", SOON)
def test_without_a_guard_it_does_not_survive(name: str) -> None:
    code = f"from tests.survive.report import without; print(without({name!r}, 50).after)"
    assert in_a_process_of_its_own(code).strip() != "None"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_stands_in_the_code(guard: object) -> None:
    assert guard in GUARDS
    found = next(one for one in GUARDS if one is guard)
    source = found.path.read_text("utf-8")
    compile(found.without(source), str(found.path), "exec")
    with pytest.raises(ValueError, match="stands 0 times"):
        found.without(found.without(source))


def test_the_page_tells_of_each_guard_and_that_its_loss_is_seen() -> None:
    page = PAGE.read_text("utf-8").partition("<!-- guards -->")[2].partition("<!-- /guards -->")[0]
    told = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \| ([^|]+) \| (\d+) \|$", page, re.MULTILINE)
    assert [(name, file) for name, file, _, _ in told] == [(guard.name, stands_in(guard)) for guard in GUARDS]
    assert all(0 < int(after) <= CAUGHT_WITHIN for *_, after in told)


def test_the_page_tells_what_a_whole_run_counts() -> None:
    page = PAGE.read_text("utf-8").partition("<!-- schedules -->")[2].partition("<!-- /schedules -->")[0]
    told = {name: int(figure.replace(",", "")) for figure, name in re.findall(r"^ *([\d,]+) (.+)$", page, re.MULTILINE)}
    assert told["schedules"] >= 1_000
    assert 0 < told["dead"] < told["delivered"] < told["deliveries owed"]
    assert told["seconds"] < 600


def test_the_shortest_schedule_that_fails_has_only_what_it_fails_with() -> None:
    wanted = schedule_of(3)
    steps = [*wanted.steps, Step(10.0, "pause", (0,)), Step(20.0, "dies")]

    def fails(schedule: Schedule) -> bool:
        return {"pause", "dies"} <= {step.do for step in schedule.happenings}

    found = shrunk(wanted.with_steps(steps), fails)
    assert sorted(step.do for step in found.happenings) == ["dies", "pause"]
    assert (len(found.steps), found.workers, len(found.flows)) == (2, 1, 1)
    assert not survive(found).problems
