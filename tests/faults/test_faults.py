"""The table of faults in a short form, and that its page has what the last whole run has found."""

import pytest

from tests.faults import table
from tests.faults.cells import BY_NAME, Outcome, ended_well, run
from tests.faults.edges import CALLBACK, EDGES, TABLE, TOPIC
from tests.faults.faults import FAULTS
from tests.faults.world import started

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
SHORT = {TOPIC: "answer lost", TABLE: "refused", CALLBACK: "429, Retry-After"}
# Seconds: a poll ends after so many, however slowly something drips, and the next one does the work.
WELL_WITHIN = 90

# What fails shows again after a second, instead of ten: this waits for it.
QUICK = {
    "POLL_REFRESHES_SCHEDULE": "* * * * * *",
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
}


def hold(outcome: Outcome) -> None:
    """What is promised of every edge and every fault."""
    cell = outcome.edge, outcome.fault
    assert outcome.strikes or outcome.fault == "refused", cell
    assert outcome.lost == 0, cell
    assert outcome.changed == 0, cell
    assert outcome.secrets == 0, cell
    assert outcome.twice == 0 or cell in TWICE, cell
    assert outcome.well_after is not None, cell
    assert outcome.well_after <= WELL_WITHIN, cell
    assert outcome.during is False or outcome.fault in THROUGH or cell in KEPT, cell
    assert outcome.beside is not None, cell
    assert outcome.beside <= WELL_WITHIN, cell


@pytest.mark.timeout(400)
async def test_no_fault_on_the_wire_loses_or_changes_anything() -> None:
    async with started(visibility=8, **QUICK) as world:
        outcomes = [await run(world, edge, BY_NAME[fault], lasts=0.5) for edge, fault in SHORT.items()]
        assert await ended_well(world, outcomes) == []
    for outcome in outcomes:
        hold(outcome)


def test_every_fault_has_befallen_every_edge_and_kept_what_is_promised() -> None:
    outcomes = table.kept()
    assert [(each.edge, each.fault) for each in outcomes] == [(edge, fault.name) for edge in EDGES for fault in FAULTS]
    for outcome in outcomes:
        hold(outcome)


def test_the_page_has_what_the_last_whole_run_has_found() -> None:
    assert f"<!-- faults -->\n{table.block(table.kept())}<!-- /faults -->" in table.PAGE.read_text("utf-8")
