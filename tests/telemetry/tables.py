"""The workspace's tables: their columns, and what recorded telemetry looks like in those of Application Insights.

Columns as in Microsoft's reference of Azure Monitor Logs. What the exporter sends of a span, a metric and a log line is
checked in test_wiring.py; which column each part of it becomes is the reference's.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import duckdb_kql
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from tests.telemetry.recorder import Point

type Row = Mapping[str, Any]

STRINGS = """
    AppRoleInstance AppRoleName AppVersion ClientBrowser ClientCity ClientCountryOrRegion ClientIP ClientModel ClientOS
    ClientStateOrProvince ClientType IKey OperationId OperationName ParentId ResourceGUID _ResourceId SDKVersion
    SessionId SourceSystem _SubscriptionId SyntheticSource TenantId Type UserAccountId UserAuthenticatedId UserId
"""
EXCEPTION_STRINGS = """
    Assembly ExceptionType HandledAt InnermostAssembly InnermostMessage InnermostMethod InnermostType Message Method
    OuterAssembly OuterMessage OuterMethod OuterType ProblemId
"""
COMMON = {
    "TimeGenerated": "datetime",
    "ItemCount": "int",
    "Properties": "dynamic",
    **dict.fromkeys(STRINGS.split(), "string"),
}
CALL = {"Id": "string", "Name": "string", "DurationMs": "real", "Success": "bool", "Measurements": "dynamic"}
AZURE = {"TimeGenerated": "datetime", "Category": "string", "Message": "string", "OperationName": "string"}
REFERENCE = {"ReferencedItemId": "string", "ReferencedType": "string"}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "AppMetrics": {**COMMON, "Name": "string", "Sum": "real", "Min": "real", "Max": "real"},
    "AppTraces": {**COMMON, **REFERENCE, "Message": "string", "SeverityLevel": "int", "Measurements": "dynamic"},
    "AppRequests": {**COMMON, **CALL, **REFERENCE, "ResultCode": "string", "Source": "string", "Url": "string"},
    "AppDependencies": {
        **COMMON,
        **CALL,
        **REFERENCE,
        "Data": "string",
        "DependencyType": "string",
        "ResultCode": "string",
        "Target": "string",
    },
    "AppAvailabilityResults": {**COMMON, **CALL, "Location": "string", "Message": "string"},
    "AppExceptions": {
        **COMMON,
        **dict.fromkeys(EXCEPTION_STRINGS.split(), "string"),
        "Details": "dynamic",
        "Measurements": "dynamic",
        "SeverityLevel": "int",
    },
    # Those that Azure's own services write.
    "AegDeliveryFailureLogs": {**AZURE, "EventSubscriptionName": "string", "SubResourceName": "string"},
    "AegPublishFailureLogs": {**AZURE, "SubResourceName": "string"},
    "AzureMetrics": {
        "TimeGenerated": "datetime",
        **dict.fromkeys(("Average", "Count", "Maximum", "Minimum", "Total"), "real"),
        **dict.fromkeys(("MetricName", "Resource", "ResourceGroup", "ResourceProvider", "TimeGrain"), "string"),
    },
    "FunctionAppLogs": {
        "TimeGenerated": "datetime",
        **dict.fromkeys(("Category", "FunctionName", "Level", "Message"), "string"),
        **dict.fromkeys(("ExceptionDetails", "ExceptionMessage", "ExceptionType", "HostInstanceId"), "string"),
    },
}
SEVERITIES = {logging.INFO: 1, logging.WARNING: 2, logging.ERROR: 3}
DUCKDB = {
    "string": "VARCHAR",
    "datetime": "TIMESTAMP",
    "real": "DOUBLE",
    "int": "INTEGER",
    "bool": "BOOLEAN",
    "dynamic": "JSON",
}


def schema(table: str) -> str:
    """A table's schema as KQL writes it."""
    return "(" + ", ".join(f"{name}:{kind}" for name, kind in COLUMNS[table].items()) + ")"


def metric_row(at: datetime, point: Point) -> Row:
    """A row of AppMetrics."""
    return {
        "TimeGenerated": at,
        "Name": point.name,
        "ItemCount": point.count,
        "Sum": point.sum,
        "Min": point.min,
        "Max": point.max,
        "Properties": dict(point.dimensions),
    }


def span_row(at: datetime, span: ReadableSpan) -> Row:
    """A row of AppDependencies: only spans of other kinds become requests."""
    assert span.kind not in {SpanKind.SERVER, SpanKind.CONSUMER}
    context = span.get_span_context()
    return {
        "TimeGenerated": at,
        "Name": span.name,
        "Id": f"{context.span_id:016x}",
        "OperationId": f"{context.trace_id:032x}",
        "ParentId": f"{span.parent.span_id:016x}" if span.parent else None,
        "Success": span.status.is_ok,
        "ItemCount": 1,
        "Properties": {key: str(value) for key, value in (span.attributes or {}).items()},
    }


def log_row(at: datetime, record: logging.LogRecord) -> Row:
    """A row of AppTraces."""
    severity = SEVERITIES[record.levelno]
    return {
        "TimeGenerated": at,
        "Message": record.getMessage(),
        "SeverityLevel": severity,
        "ItemCount": 1,
        "Properties": {},
    }


def request_row(at: datetime, name: str, status: int) -> Row:
    """The row of AppRequests that the Functions host writes for an invocation over HTTP."""
    return {"TimeGenerated": at, "Name": name, "ResultCode": str(status), "Success": status < 400, "ItemCount": 1}


def availability_row(at: datetime, *, success: bool) -> Row:
    """The row of AppAvailabilityResults for one look of the availability test."""
    return {"TimeGenerated": at, "Name": "health", "Location": "West Europe", "Success": success, "ItemCount": 1}


@cache
def _translated(query: str, now: datetime) -> duckdb_kql.TranslationResult:
    return duckdb_kql.to_sql(query, schema={name: list(columns) for name, columns in COLUMNS.items()}, query_now=now)


class Workspace:
    """Rows in tables that KQL can be run on, as of a moment."""

    def __init__(self, rows: Mapping[str, Sequence[Row]], now: datetime) -> None:
        self._now = now
        self._database = duckdb_kql.connect(config={"threads": 1})
        self._database.execute("PRAGMA disable_optimizer")  # it takes longer than the queries
        for table, columns in COLUMNS.items():
            spelled = ", ".join(f'"{name}" {DUCKDB[kind]}' for name, kind in columns.items())
            self._database.execute(f'CREATE TABLE "All{table}" ({spelled})')
            assert all(set(row) <= set(columns) for row in rows[table])
            # One statement with one value: thousands of values are slow to bind.
            structure = json.dumps([{name: DUCKDB[kind] for name, kind in columns.items()}])
            self._database.execute(
                f'INSERT INTO "All{table}" BY NAME SELECT unnest(from_json(?, ?), recursive := true)',
                [json.dumps(rows[table], default=lambda at: at.replace(tzinfo=None).isoformat()), structure],
            )

    def ask(self, query: str, window: timedelta) -> list[dict[str, Any]]:
        """The rows of the answer, of what is not older than the window."""
        since = (self._now - window).replace(tzinfo=None).isoformat()
        for table in COLUMNS:
            if table in query:
                self._database.execute(
                    f'CREATE OR REPLACE VIEW "{table}" AS '  # noqa: S608 - our own tables
                    f"SELECT * FROM \"All{table}\" WHERE TimeGenerated > TIMESTAMP '{since}'"
                )
        sql = _translated(query, self._now)
        answer = self._database.execute(str(sql), sql.parameters or None)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
