"""Reports: what came of some schedules, of one, and of those without a guard.

It imports the bridge only when it is asked, so that a guard can be taken out before.
"""

from collections import Counter

from tests.survive.guards import GUARDS
from tests.survive.mutations import take_out
from tests.survive.page import Caught


def some(first: int, count: int) -> tuple[Counter[str], list[int]]:
    """Run some schedules; gives what was counted, and the seeds of those that fail."""
    from tests.survive.run import survive  # noqa: PLC0415 - not before it is needed
    from tests.survive.schedule import schedule_of  # noqa: PLC0415 - the same

    counts, failed = Counter[str](), list[int]()
    for seed in range(first, first + count):
        outcome = survive(schedule_of(seed))
        counts += outcome.counts
        if outcome.problems:
            failed.append(seed)
    return counts, failed


def without(name: str, most: int, first: int = 0) -> Caught:
    """Run schedules without a guard until one fails; in a process that has not imported the bridge."""
    guard = next(guard for guard in GUARDS if guard.name == name)
    take_out(guard)
    from tests.survive.run import survive  # noqa: PLC0415 - now the guard is out
    from tests.survive.schedule import schedule_of  # noqa: PLC0415 - the same

    for count in range(most):
        try:
            problems = survive(schedule_of(first + count)).problems
        except Exception as error:  # noqa: BLE001 - whatever it breaks shows
            problems = [f"it raises {type(error).__name__}"]
        if problems:
            return Caught(name, count + 1, kind_of(problems[0]))
    return Caught(name, None, "")


def explained(seed: int) -> str:
    """The shortest schedule that fails as that of a seed does, and what is wrong in it; or the schedule."""
    from tests.survive.run import survive  # noqa: PLC0415 - not before it is needed
    from tests.survive.schedule import Schedule, schedule_of  # noqa: PLC0415 - the same
    from tests.survive.shrink import shrunk  # noqa: PLC0415 - the same

    failing = schedule_of(seed)
    kinds = {kind_of(problem) for problem in survive(failing).problems}
    if not kinds:
        return f"{failing}\n  and nothing is wrong"

    def fails(one: Schedule) -> bool:
        return bool(kinds & {kind_of(problem) for problem in survive(one).problems})

    found = shrunk(failing, fails)
    return "\n".join([str(found), *(f"  -> {problem}" for problem in survive(found).problems)])


KINDS = {
    "never takes": "a delivery is lost",
    "takes": "a delivery is repeated",
    "twice at once": "two attempts at once",
    "past what is held": "a flow is called past its backlog",
    "is called with": "a flow is called when it may not be",
    "before the older": "the order",
    "too soon": "the wait",
    "which is more than": "the rate",
    "is never published": "an event is lost",
    "never happened": "a phantom",
    "ids": "a changed id",
    "is never told": "a notice is lost",
    "nobody is to be told": "a notice is lost",
    "are told": "a phantom",
    "nobody lets them out": "a backlog is stuck",
    "not open in the end": "a backlog is stuck",
    "left in the backlog": "a backlog is stuck",
    "still failing": "a flow stays failing",
    "come to rest": "no rest",
    "deliveries are still": "a delivery is stuck",
    "messages are left": "no rest",
    "is a dead letter": "a delivery is dead",
    "at the age of": "an age",
    "too late": "an age",
    "is so since": "an age",
    "does not want": "a delivery that nobody wants",
    "comes of what is asked for": "a request without consequence",
    "never gets the test": "a request without consequence",
    "is told": "a wrong notice",
    "is suspended, and": "a suspension without reason",
    "in a row": "a count",
    "raises": "an error",
}
FIRST = (
    *("does not want", "at the age of", "is suspended, and"),
    *("twice at once", "past what is held", "before the older", "too soon", "never takes"),
)


def kind_of(problem: str) -> str:
    """What is wrong, without when, to whom and with which event."""
    for part in (*FIRST, *KINDS):
        if part in problem:
            return KINDS[part]
    return problem
