"""The table of faults in a short form, and that its page has what was found at last in each cell."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults import table
from tests.faults.__main__ import end
from tests.faults.cells import BY_NAME, ended_well, run
from tests.faults.edges import CALLBACK, EDGES, TABLE, TOPIC
from tests.faults.faults import FAULTS
from tests.faults.promise import broken
from tests.faults.world import started

SHORT = {TOPIC: "answer lost", TABLE: "refused", CALLBACK: "429, Retry-After"}
# What fails shows again after a second, instead of ten: this waits for it.
QUICK = {
    "POLL_REFRESHES_SCHEDULE": "* * * * * *",
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
}


@pytest.mark.timeout(400)
async def test_no_fault_on_the_wire_loses_or_changes_anything() -> None:
    async with started(visibility=8, **QUICK) as world:
        outcomes = [await run(world, edge, BY_NAME[fault], lasts=0.5) for edge, fault in SHORT.items()]
        assert await ended_well(world, outcomes) == []
    assert [what for outcome in outcomes for what in broken(outcome)] == []


def test_every_fault_has_befallen_every_edge_and_kept_what_is_promised() -> None:
    outcomes = table.kept()
    assert [(each.edge, each.fault) for each in outcomes] == [(edge, fault.name) for edge in EDGES for fault in FAULTS]
    assert [what for outcome in outcomes for what in broken(outcome)] == []


@pytest.mark.parametrize(
    ("differently", "told"),
    [
        ({"strikes": 0}, "the fault has not struck"),
        ({"lost": 1}, "1 lost"),
        ({"changed": 1}, "1 changed"),
        ({"secrets": 1}, "1 secrets in the log"),
        ({"twice": 1}, "1 twice"),
        ({"well_after": None}, "well after None s"),
        ({"well_after": 91.0}, "well after 91.0 s"),
        ({"beside": None}, "somebody else after None s"),
        ({"beside": 91.0}, "somebody else after 91.0 s"),
        ({"during": True}, "came through the fault"),
    ],
)
def test_a_run_that_breaks_the_promise_in_one_cell_names_it_writes_nothing_and_ends_with_1(
    differently: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [well] = [each for each in table.kept() if (each.edge, each.fault) == (TOPIC, "reset")]
    before = table.RESULTS.stat().st_mtime_ns, table.PAGE.stat().st_mtime_ns
    assert end([well, replace(well, **differently)], []) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [f"{TOPIC}, reset: {told}"]
    assert end([well], ["a dead letter: why"]) == 1
    assert (table.RESULTS.stat().st_mtime_ns, table.PAGE.stat().st_mtime_ns) == before


def test_the_page_has_what_was_found_at_last_in_each_cell() -> None:
    assert f"<!-- faults -->\n{table.block(table.kept())}<!-- /faults -->" in table.PAGE.read_text("utf-8")
