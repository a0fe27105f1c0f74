from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.catalog import Job, JobTask, Node
from shared.domain.took import timed

AT = datetime(2026, 11, 20, 3, tzinfo=UTC)
NODE = Node(operation_type="ingestion", identifier="d1", name="Sales", job_ids=("{J1}",), completed_at=AT)
TASK = JobTask(operation_type="ingestion", name="Sales", submitted_at=AT - timedelta(minutes=3), completed_at=AT)


def test_a_run_took_as_long_as_its_one_task() -> None:
    assert timed([NODE], [Job(job_id="j1", tasks=[TASK])])[0].duration_seconds == 180


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [TASK, TASK],
        [TASK.model_copy(update={"name": "Another"})],
        [TASK.model_copy(update={"submitted_at": None})],
        [TASK.model_copy(update={"completed_at": AT - timedelta(hours=1)})],
    ],
    ids=["no task", "two of the name", "another's", "no start", "an earlier run's"],
)
def test_what_no_task_tells_is_not_guessed(tasks: list[JobTask]) -> None:
    assert timed([NODE], [Job(job_id="j1", tasks=tasks), Job(job_id="j2", tasks=[TASK])])[0].duration_seconds is None


def test_a_clock_that_went_back_makes_no_time_less_than_none() -> None:
    task = TASK.model_copy(update={"submitted_at": AT + timedelta(seconds=5)})
    assert timed([NODE], [Job(job_id="j1", tasks=[task])])[0].duration_seconds == 0
