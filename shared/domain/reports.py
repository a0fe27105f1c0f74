"""The status report: how the environment is, told from the state of its workflow."""

from collections import Counter
from collections.abc import Sequence

from shared.domain.catalog import Job, Node, Report, ReportType
from shared.domain.resources import FAILED, TIMED_OUT


def report(instance_id: str, report_type: ReportType, jobs: Sequence[Job], nodes: Sequence[Node]) -> Report:
    """The report on an instance, from its jobs (newest first) and the nodes of its workflow."""
    return Report(
        instance_id=instance_id,
        report_type=report_type,
        latest_job=jobs[0] if jobs else None,
        counts=dict(Counter(node.status or "unknown" for node in nodes)),
        failures=[node for node in nodes if node.status in {FAILED, TIMED_OUT}],
        nodes=nodes if report_type == "detailed" else None,
    )
