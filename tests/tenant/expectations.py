"""What Microsoft's client should read, written from the tenant's records: an independent second account of the JSON."""

from datetime import timedelta
from decimal import Decimal

from local.tenant.life.retailer import BY_COUNTRY, OPEN_CASES, REVENUE
from local.tenant.records import Audit, Failure, Job, Measure, Node, Segment, Task
from tests.tenant.conftest import NOW


def audit(record: Audit) -> dict[str, object]:
    return {
        "version": record.version,
        "updated_by": record.updated_by,
        "updated_utc": record.updated_at,
        "created_by": record.created_by,
        "created_utc": record.created_at,
        "instance_id": record.instance_id,
    }


def table(name: str) -> dict[str, object]:
    return {
        "entity_name": name,
        "primary_key": f"{name}Id",
        "entity_type": "unspecified",
        "timestamp_field_name": None,
        "semantic_labels": [],
        "entity_enrichment_info": None,
        "delta_table_version": None,
        "auto_generate_cdm_definition": False,
    }


def segment_fields(seen: dict[str, object]) -> dict[str, object]:
    """All fields but the query, of which the tenant's state says nothing; `deviations` has checked its shape."""
    return {name: value for name, value in seen.items() if name != "segment_query_expression"}


def expected_segment(segment: Segment, days: int | None) -> dict[str, object]:
    past = [
        {
            "evaluation_date": each.at,
            "entity_count": each.count,
            "job_status": each.status,
            "error": each.failure
            and {"value": each.failure.message, "key": "segmentEvaluationOrchestrationFailed", "args": []},
        }
        for each in segment.evaluations
    ]
    run_ids = [each.run_id for each in segment.evaluations if each.count is not None]
    ended = [shown for shown in past if shown["job_status"] not in {"Running", "Queued"}]
    return {
        "kind": "default",
        "name": segment.name,
        "friendly_name": segment.friendly_name,
        "description": segment.description,
        "state": "active",
        "error_description": None,
        "end_date": None,
        "evaluation_status": {**past[-1], "last_successful_run_id": run_ids[-1]},
        "sql_validation_stats": None,
        "evaluation_status_history": days
        and [shown for shown in ended if shown["evaluation_date"] >= NOW - timedelta(days=days)],
        "segment_query_stats": {"rowset_stat": []},
        **audit(segment.audit),
    }


def expected_measure(measure: Measure, days: int | None) -> dict[str, object]:
    evaluations, outputs, run_id = [], [], None
    for each in measure.evaluations:
        run_id = each.run_id if each.state == "completed" else run_id
        shown = {"last_successful_run_id": run_id, "state": each.state, "end_time": each.ended_at, "error": each.error}
        evaluations.append((each, shown))
        if each.values:
            values = {measure.alias: str(Decimal(each.values[measure.alias]))}
            outputs.append((each, {"values": values, "measure_name": measure.name, "evaluation_time": each.started_at}))
    since = NOW - timedelta(days=days or 0)
    successes = [each.ended_at for each in measure.evaluations if each.state == "completed"]
    return {
        "display_name": measure.display_name,
        "name": measure.name,
        "description": "",
        "definition": expected_definition(measure),
        "latest_evaluation": evaluations[-1][1],
        "output": outputs[-1][1] if outputs else None,
        "evaluation_stats": {
            "last_successful": successes[-1],
            "consecutive_failure_count": 1 if measure.name == REVENUE else 0,
        },
        "error_description": None,
        "sql_validation_stats": None,
        "evaluation_history": days
        and [shown for each, shown in evaluations if each.ended_at and each.started_at >= since],
        "output_history": days and [shown for each, shown in outputs if each.started_at >= since],
        "is_template": False,
        "template_id": None,
        "is_created_from_template": False,
        **audit(measure.audit),
    }


def expected_definition(measure: Measure) -> dict[str, object]:
    return {
        "kind": "entity",
        "is_scalar": measure.name not in {BY_COUNTRY, OPEN_CASES},
        "linked_entities": [{"kind": "base", "entity": "UnifiedActivity", "alias": "UnifiedActivity"}],
        "variables": [],
        "filters": None,
        "filtering_criteria": None,
        "dimensions": [
            {
                "field": "Customer.Country",
                "alias": "Country",
                "display_name": "Country",
                "order": 0,
                "bucket": "none",
                "is_read_only": False,
            }
        ]
        * len(measure.dimensions),
        "aggregates": [
            {
                "operation": measure.operation,
                "field": measure.column,
                "alias": measure.alias,
                "display_name": measure.display_name,
                "order": 0,
                "operation_scope": None,
                "aggregates": [],
                "is_included": True,
            }
        ]
        * (measure.sql is None),
        "is_profile": False,
        "measure_query_sql": measure.sql,
        "type": "manual" if measure.sql else "structured",
        "is_manual_query_scalar": measure.name == OPEN_CASES,
        "dependencies": [],
    }


def expected_errors(failure: Failure | None) -> dict[str, object]:
    error = failure and {
        "exception_culprit": failure.culprit,
        "error_code": failure.code,
        "result_severity": "error",
        "message": failure.message,
        "name": failure.code,
        "params": {},
        "ci_results": [],
    }
    return {"ci_error": error, "ci_errors": [error] if error else []}


def expected_details(operation: str) -> dict[str, object] | None:
    return {"kind": operation} if operation in {"segmentation", "measures", "merge"} else None


def expected_task(task: Task, job: Job) -> dict[str, object]:
    return {
        "task_id": task.id,
        "task_status": task.status,
        "operation_type": task.step.operation,
        "sub_type": "noSubType",
        "job_ids": [job.id],
        "friendly_name": task.step.friendly_name,
        "submitted_timestamp": task.submitted_at,
        "end_timestamp": task.ended_at,
        **expected_errors(task.failure),
        "waiting_task_ids": list(task.waits_for),
        "additional_info": expected_details(task.step.operation),
    }


def expected_job(job: Job, *, with_tasks: bool) -> dict[str, object]:
    unification = {"additional_properties": None, "run_downstream_after_merge": False}
    return {
        "job_id": job.id,
        "job_type": job.mode,
        "job_submission_kind": job.kind,
        "job_status": job.status,
        "operation_type": job.operation,
        "sub_type": "noSubType",
        "submitted_timestamp": job.submitted_at,
        "end_timestamp": job.ended_at,
        "should_force_run_requested_nodes": False,
        "tasks": [expected_task(task, job) for task in job.tasks] if with_tasks else None,
        "id_list": list(job.identifiers),
        "options": unification if job.operation == "merge" else None,
    }


def expected_node(node: Node) -> dict[str, object]:
    return {
        "operation_type": node.step.operation,
        "sub_type": "noSubType",
        "identifier": node.step.identifier,
        "friendly_name": node.step.friendly_name,
        "job_ids": list(node.job_ids),
        "task_status": node.status,
        "last_success_job_ids": list(node.success_job_ids),
        "end_timestamp": node.ended_at,
        "last_successful_timestamp": node.succeeded_at,
        **expected_errors(node.failure),
        "additional_info": expected_details(node.step.operation),
        "selection_reason": {"code": "requested", "details": None},
    }
