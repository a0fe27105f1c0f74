"""The JSON of instances, data sources, segments and measures, as the Customer Insights API answers it.

Every key that Microsoft's client models know is there, null where the tenant has nothing to say. It decides nothing:
which items and how much history are shown is `api`'s.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from local.tenant.model import Instance
from local.tenant.records import (
    Audit,
    DataSource,
    Failure,
    Measure,
    MeasureEvaluation,
    Segment,
    SegmentEvaluation,
)

type Json = dict[str, object]

_REGION = "westeurope"


def timestamp(at: datetime | None) -> str | None:
    """Write a time as .NET's round-trip format does, with seven digits of a second: a digit more than Python knows."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def instance_item(instance: Instance) -> Json:
    """Write an `InstanceInfo`, an item of the list of instances."""
    return {
        "instanceId": instance.id,
        "name": instance.name,
        "instanceType": "production",
        "expiryTimeUtc": None,
        "maxTrialExtensionsAllowed": 0,
        "trialExtensionHistory": None,
        "scaleUnitId": "ci-prod-weu-su1",
        "azureRegion": _REGION,
        "platformType": "customerInsights",
    }


def instance_metadata(instance: Instance) -> Json:
    """Write an `InstanceMetadata`, the answer for one instance."""
    return {
        "isB2B": False,
        "isB2C": True,
        "isByoPbi": False,
        "isByoSynapse": False,
        "isCdsMdlOrCdsByodl": True,
        "name": instance.name,
        "provisioningState": "active",
        "instanceType": "production",
        "refreshSchedule": _schedule(instance),
        "expiryTimeUtc": None,
        "region": _REGION,
        "cdsOrgInfo": _organisation(instance),
        "cdsMdlInfo": None,
        "maxTrialExtensionsAllowed": 0,
        "trialExtensionHistory": None,
        "isRefreshCredentialRequired": False,
        "trialExtensionDetails": [],
        "configuredWorkspaces": [],
        "platformType": "customerInsights",
        "azureRegion": _REGION,
        **audit(instance.audit),
    }


def data_source_item(source: DataSource, *, with_model: bool = False) -> Json:
    """Write a `DataSourceInfo`; the model of its tables comes only with one data source, and on request."""
    return {"dataSourceMetadata": _data_source(source), "model": _table_model(source) if with_model else None}


def segment_item(segment: Segment, history: Sequence[SegmentEvaluation] | None) -> Json:
    """Write a `SegmentMetadata` with `history`, or with none where it was not asked for."""
    return {
        "kind": segment.kind,
        "name": segment.name,
        "friendlyName": segment.friendly_name,
        "description": segment.description,
        "segmentQueryExpression": _segment_query(segment),
        "state": segment.state,
        "errorDescription": None,
        "endDate": None,
        "evaluationStatus": _segment_status(segment),
        "sqlValidationStats": None,
        "evaluationStatusHistory": None if history is None else [_past_segment(each) for each in history],
        "segmentQueryStats": {"rowsetStat": []},
        **audit(segment.audit),
    }


def measure_item(measure: Measure, history: Sequence[MeasureEvaluation] | None) -> Json:
    """Write a `MeasureMetadata` with `history`, or with none where it was not asked for."""
    outputs = [each for each in measure.evaluations if each.values is not None]
    past_outputs = None if history is None else [each for each in history if each.values is not None]
    return {
        "displayName": measure.display_name,
        "name": measure.name,
        "description": measure.description,
        "definition": _definition(measure),
        "latestEvaluation": _evaluation(measure, measure.evaluations[-1]) if measure.evaluations else None,
        "output": _output(measure, outputs[-1]) if outputs else None,
        "evaluationStats": _evaluation_stats(measure),
        "errorDescription": None,
        "sqlValidationStats": None,
        "evaluationHistory": None if history is None else [_evaluation(measure, each) for each in history],
        "outputHistory": None if past_outputs is None else [_output(measure, each) for each in past_outputs],
        "isTemplate": False,
        "templateId": None,
        "isCreatedFromTemplate": False,
        **audit(measure.audit),
    }


def audit(record: Audit) -> Json:
    """Write who made and changed an object: the last keys of every object."""
    return {
        "version": record.version,
        "updatedBy": record.updated_by,
        "updatedUtc": timestamp(record.updated_at),
        "createdBy": record.created_by,
        "createdUtc": timestamp(record.created_at),
        "instanceId": record.instance_id,
    }


def _schedule(instance: Instance) -> Json:
    return {
        "isActive": True,
        "timezoneId": "W. Europe Standard Time",
        "cronSchedules": ["0 2 * * *"],
        "scheduleId": instance.schedule_id,
        "instanceId": instance.id,
    }


def _organisation(instance: Instance) -> Json:
    return {
        "friendlyName": instance.name,
        "url": "https://contoso.crm4.dynamics.com/",
        "state": "Ready",
        "location": "europe",
        "environmentSku": "Production",
        "expirationTime": None,
        "maxAllowedExpirationTime": None,
    }


def _data_source(source: DataSource) -> Json:
    return {
        "kind": source.kind,
        "isActive": True,
        "entityNames": list(source.entity_names),
        "entitiesCount": len(source.entity_names),
        "dataSourceId": source.id,
        "name": source.name,
        "friendlyName": source.friendly_name,
        "entityInformation": [_table(name) for name in source.entity_names],
        "provisioningState": source.provisioning_state,
        "lastRefresh": timestamp(source.last_refresh),
        "refreshState": source.refresh_state,
        "incrementalRefreshProperties": [],
        "modelJsonPath": None,
        **audit(source.audit),
    }


def _table(name: str) -> Json:
    return {
        "entityName": name,
        "primaryKey": f"{name}Id",
        "entityType": "unspecified",
        "timestampFieldName": None,
        "semanticLabels": [],
        "entityEnrichmentInfo": None,
        "deltaTableVersion": None,
        "autoGenerateCDMDefinition": False,
    }


def _table_model(source: DataSource) -> Json:
    return {
        "name": source.name,
        "description": None,
        "isHidden": False,
        "version": "1.0",
        "culture": "en-US",
        "pbi:timeZone": None,
        "modifiedTime": timestamp(source.audit.updated_at),
        "pbi:mashup": None,
        "annotations": [],
        "entities": [],
        "relationships": [],
        "referenceModels": [],
    }


def _segment_query(segment: Segment) -> Json:
    return {
        "type": "structured",
        "projections": [],
        "projectedAttributes": [],
        "rowsets": [_rowset(segment)],
        "segmentationQuerySql": None,
        "hierarchies": [],
    }


def _rowset(segment: Segment) -> Json:
    criteria: Json = {
        "kind": "default",
        "logicalOperator": "and",
        "attribute": "Customer.CustomerId",
        "comparisonOperator": "isNotNull",
        "childCriterias": [],
        "value": None,
        "ignoreCase": True,
        "listOfValues": [],
        "isTime": False,
    }
    return {"rowsetOperation": "none", "criteria": criteria, "paths": [["Customer"]], "rowsetId": segment.name}


def _segment_status(segment: Segment) -> Json | None:
    if not segment.evaluations:
        return None
    successes = [each.run_id for each in segment.evaluations if each.status == "CompletedSuccess"]
    return {**_past_segment(segment.evaluations[-1]), "lastSuccessfulRunId": successes[-1] if successes else None}


def _past_segment(evaluation: SegmentEvaluation) -> Json:
    return {
        "evaluationDate": timestamp(evaluation.at),
        "entityCount": evaluation.count,
        "jobStatus": evaluation.status,
        "error": _string_info(evaluation.failure),
    }


def _string_info(failure: Failure | None) -> Json | None:
    if failure is None:
        return None
    return {"value": failure.message, "key": "segmentEvaluationOrchestrationFailed", "args": []}


def _definition(measure: Measure) -> Json:
    manual = measure.sql is not None
    return {
        "kind": "entity",
        "isScalar": measure.scalar and not manual,
        "linkedEntities": [{"kind": "base", "entity": "UnifiedActivity", "alias": "UnifiedActivity"}],
        "variables": [],
        "filters": None,
        "filteringCriteria": None,
        "dimensions": [_dimension(name, order) for order, name in enumerate(measure.dimensions)],
        "aggregates": [] if manual else [_aggregate(measure)],
        "isProfile": False,
        "measureQuerySql": measure.sql,
        "type": "manual" if manual else "structured",
        "isManualQueryScalar": measure.scalar and manual,
        "dependencies": [],
    }


def _dimension(name: str, order: int) -> Json:
    return {
        "field": name,
        "alias": name.rpartition(".")[2],
        "displayName": name.rpartition(".")[2],
        "order": order,
        "bucket": "none",
        "isReadOnly": False,
    }


def _aggregate(measure: Measure) -> Json:
    return {
        "operation": measure.operation,
        "field": measure.column,
        "alias": measure.alias,
        "displayName": measure.display_name,
        "order": 0,
        "operationScope": None,
        "aggregates": [],
        "isIncluded": True,
    }


def _evaluation(measure: Measure, evaluation: MeasureEvaluation) -> Json:
    """Write one evaluation; its run id is that of the last success up to it."""
    upto = measure.evaluations[: measure.evaluations.index(evaluation) + 1]
    successes = [each.run_id for each in upto if each.state == "completed"]
    return {
        "lastSuccessfulRunId": successes[-1] if successes else None,
        "state": evaluation.state,
        "endTime": timestamp(evaluation.ended_at),
        "error": evaluation.error,
    }


def _output(measure: Measure, evaluation: MeasureEvaluation) -> Json:
    values: Mapping[str, str] = evaluation.values or {}
    return {"values": dict(values), "measureName": measure.name, "evaluationTime": timestamp(evaluation.started_at)}


def _evaluation_stats(measure: Measure) -> Json:
    ended = [each for each in measure.evaluations if not each.under_way]
    successes = [number for number, each in enumerate(ended) if each.state == "completed"]
    last = ended[successes[-1]].ended_at if successes else None
    since = len(ended) - 1 - successes[-1] if successes else len(ended)
    return {"lastSuccessful": timestamp(last), "consecutiveFailureCount": since}
