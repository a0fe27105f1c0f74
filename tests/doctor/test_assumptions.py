"""Each assumption about Customer Insights that the code keeps is one that the doctor reports on."""

import re
from pathlib import Path

import pytest

from tests.doctor.conftest import PROJECT, Patient

# Where an assumption is kept, and how the doctor's report on it begins.
REPORTS = {
    "shared/domain/refreshes.py": "The latest refresh, told in several places, differs by at most",
    "shared/insights/actions.py": "What a unification runs that the bridge itself starts",
    "shared/insights/files.py": "Asked for files, data/{table} names",
    "shared/insights/partitions.py": "Asked for files, data/{table} names",
    "shared/insights/paths.py": "Data sources: manage/datasources answers",
    "shared/insights/rows.py": "Keys of tables are text",
    "shared/insights/slices.py": "The table of a measure with dimensions",
    "shared/domain/stages.py": "The scheduled jobs bear",
}


def test_every_place_that_keeps_an_assumption_is_known() -> None:
    keeping = {
        path.relative_to(PROJECT).as_posix()
        for path in Path(PROJECT / "shared").rglob("*.py")
        if re.search(r"\bassum", path.read_text("utf-8"), re.IGNORECASE)
    }
    assert keeping == set(REPORTS)


@pytest.mark.asyncio(loop_scope="session")
async def test_every_assumption_is_reported_on(patient: Patient) -> None:
    told = await patient.examine()
    reported = [*told.lines("fine"), *told.lines("open")]
    assert [place for place, text in REPORTS.items() if not any(line.startswith(text) for line in reported)] == []
