"""What is promised of every edge and every fault."""

from collections.abc import Iterator

from tests.faults.cells import Outcome
from tests.faults.edges import CALLBACK

# Of faults that leave what is asked undone, nothing comes through.
THROUGH = {
    "answer lost",
    "slow drip",
    "answer cut short",
    "wrong content",
    "clock an hour ahead",
    "clock an hour behind",
}
# The flow has taken the event, and no status of its answer has come.
TWICE = {(CALLBACK, "answer lost")}
# The addresses of a flow's host are kept for some seconds.
KEPT = {(CALLBACK, "name not found")}
# Seconds: a poll ends after so many, however slowly something drips, and the next one does the work.
WELL_WITHIN = 90


def broken(outcome: Outcome) -> Iterator[str]:
    """What of the promise was not kept in a cell, which is named."""
    cell = outcome.edge, outcome.fault
    rules = {
        "the fault has not struck": outcome.strikes == 0 and outcome.fault != "refused",
        f"{outcome.lost} lost": outcome.lost != 0,
        f"{outcome.changed} changed": outcome.changed != 0,
        f"{outcome.secrets} secrets in the log": outcome.secrets != 0,
        f"{outcome.twice} twice": outcome.twice != 0 and cell not in TWICE,
        f"well after {outcome.well_after} s": _is_late(outcome.well_after),
        f"somebody else after {outcome.beside} s": _is_late(outcome.beside),
        "came through the fault": outcome.during and outcome.fault not in THROUGH and cell not in KEPT,
    }
    return (f"{outcome.edge}, {outcome.fault}: {what}" for what, is_so in rules.items() if is_so)


def _is_late(seconds: float | None) -> bool:
    return seconds is None or seconds > WELL_WITHIN
