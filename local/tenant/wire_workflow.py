"""The JSON of jobs, tasks, nodes and errors, as the Customer Insights API answers it.

Every key that Microsoft's client models know is there, null where the tenant has nothing to say.
"""

from local.tenant.records import Failure, Job, Node, Step, Task
from local.tenant.wire import Json, timestamp

# The kinds of task the API tells more about are named like the operations; ingestion's plain form is not among them.
_DETAILED = frozenset({"segmentation", "measures", "merge"})


def job_item(job: Job, *, with_tasks: bool) -> Json:
    """Write a `GraphJobInfo`, with its tasks on request."""
    options = None if job.run_downstream is None else {"runDownstreamAfterMerge": job.run_downstream}
    return {
        "jobId": job.id,
        "jobType": job.mode,
        "jobSubmissionKind": job.kind,
        "jobStatus": job.status,
        "operationType": job.operation,
        "subType": "noSubType",
        "submittedTimestamp": timestamp(job.submitted_at),
        "endTimestamp": timestamp(job.ended_at),
        "shouldForceRunRequestedNodes": job.forced,
        "tasks": [task_item(task, job) for task in job.tasks] if with_tasks else None,
        "idList": list(job.identifiers),
        "options": options,
    }


def task_item(task: Task, job: Job) -> Json:
    """Write a `GraphTaskInfo`; it has no identifier."""
    return {
        "taskId": task.id,
        "taskStatus": task.status,
        "operationType": task.step.operation,
        "subType": "noSubType",
        "jobIds": [job.id],
        "friendlyName": task.step.friendly_name,
        "submittedTimestamp": timestamp(task.submitted_at),
        "endTimestamp": timestamp(task.ended_at),
        **_errors(task.failure),
        "waitingTaskIds": list(task.waits_for),
        "additionalInfo": _additional(task.step),
    }


def node_item(node: Node) -> Json:
    """Write a `GraphNodeInfo`, an item of the workflow's status."""
    return {
        "operationType": node.step.operation,
        "subType": "noSubType",
        "identifier": node.step.identifier,
        "friendlyName": node.step.friendly_name,
        "jobIds": list(node.job_ids),
        "taskStatus": node.status,
        "lastSuccessJobIds": list(node.success_job_ids),
        "endTimestamp": timestamp(node.ended_at),
        "lastSuccessfulTimestamp": timestamp(node.succeeded_at),
        **_errors(node.failure),
        "additionalInfo": _additional(node.step),
        "selectionReason": {"code": node.reason, "details": None},
    }


def error_result(status: int, message: str) -> Json:
    """Write an `ApiErrorResult`."""
    failure = Failure(f"CustomerInsightsApi{status}", message)
    return {"exception": None, "httpStatusCode": str(status), **_ci_result(failure)}


def _errors(failure: Failure | None) -> Json:
    result = None if failure is None else _ci_result(failure)
    return {"ciError": result, "ciErrors": [] if result is None else [result]}


def _ci_result(failure: Failure) -> Json:
    return {
        "exceptionCulprit": failure.culprit,
        "errorCode": failure.code,
        "resultSeverity": failure.severity,
        "message": failure.message,
        "name": failure.code,
        "params": {},
        "ciResults": [],
    }


def _additional(step: Step) -> Json | None:
    return {"kind": step.operation} if step.operation in _DETAILED else None
