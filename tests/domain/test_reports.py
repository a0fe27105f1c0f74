from shared.domain.catalog import Job, Node
from shared.domain.reports import report

JOBS = [Job(job_id="new", status="running"), Job(job_id="old", status="successful")]
NODES = [
    Node(operation_type="ingestion", identifier="a", status="successful"),
    Node(operation_type="ingestion", identifier="b", status="failed"),
    Node(operation_type="merge", status="successful"),
    Node(operation_type="export", identifier="c", status="timedOut"),
    Node(operation_type="export", identifier="d"),
    Node(operation_type="export", identifier="e", status="newerThanThis"),
]


def test_counts_the_nodes_by_state_and_names_those_that_failed() -> None:
    made = report("i1", "summary", JOBS, NODES)
    assert made.instance_id == "i1"
    assert made.latest_job == JOBS[0]
    assert made.counts == {"successful": 2, "failed": 1, "timedOut": 1, "unknown": 1, "newerThanThis": 1}
    assert [node.identifier for node in made.failures] == ["b", "c"]
    assert made.nodes is None


def test_a_detailed_report_shows_every_node() -> None:
    assert report("i1", "detailed", JOBS, NODES).nodes == NODES


def test_where_nothing_has_run_there_is_nothing_to_tell() -> None:
    made = report("i1", "detailed", [], [])
    assert (made.latest_job, made.counts, made.failures, made.nodes) == (None, {}, [], [])
