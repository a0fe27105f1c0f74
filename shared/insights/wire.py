"""The API's answers as they look on the wire, exactly what the bridge reads of them, and how they become resources.

Only names and ids are required: everything else may be missing or null, and unknown keys are ignored (all properties
are optional in Microsoft's own client). Validation happens in Pydantic's compiled core; Python runs only in the
`resource` methods. They bring enum values to one spelling and times to UTC, and judge nothing.

Nothing here knows HTTP, and no wire name leaves this module.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.domain.resources import (
    DataSource,
    Fault,
    Instance,
    Job,
    Measure,
    MeasureEvaluation,
    MeasureOutput,
    Node,
    Segment,
    SegmentEvaluation,
    Task,
)
from shared.insights.reading import Reader
from shared.insights.spelling import spelled

# What stands for a job's or task's status or operation where the API leaves it out. It is no value of the API's own, so
# it is neither an end nor an outcome.
UNKNOWN: Final = "unknown"

# .NET writes "no date" as its first (0001-01-01) or last (9999-12-31) one. Nothing in Customer Insights is so far off.
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998

# "900", "900.50", "-1E+3". No digit groups: whether "1,234" is a thousand or a fraction depends on who wrote it. An
# exponent of four digits is no measurement, and printing such a number takes the memory of its digits.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,3})?", re.ASCII)

type _Name = Annotated[str, Field(min_length=1)]
type _Text = Annotated[str, Field(coerce_numbers_to_str=True)]
# Strict: a bare number is no time, though Pydantic would take it for seconds since 1970.
type _Time = Annotated[datetime, Field(strict=True)]
# Strict: true is no count, though Pydantic would take it for 1.
type _Count = Annotated[
    Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(pattern=r"^[0-9]{1,18}$")],
    Field(union_mode="left_to_right"),
]


class _Wire(BaseModel):
    """The names here in snake_case are the wire's in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _CIResult(_Wire):
    exception_culprit: str | None = None
    error_code: _Text | None = None
    result_severity: str | None = None
    message: _Text | None = None
    ci_results: list["_CIResult"] | None = None

    def resource(self) -> Fault | None:
        """Return the fault; what it does not say itself, the first of the faults inside it may."""
        own = Fault(self.error_code, self.message, spelled(self.exception_culprit), spelled(self.result_severity))
        inner = None if self.message else _first_fault(self.ci_results or ())
        if inner is not None:
            own = Fault(
                code=own.code or inner.code,
                message=inner.message,
                culprit=own.culprit or inner.culprit,
                severity=own.severity or inner.severity,
            )
        return None if own == Fault() else own


class _InstanceInfo(_Wire):
    instance_id: _Name
    name: str | None = None

    def resource(self) -> Instance:
        return Instance(self.instance_id, self.name)


def _metadata(name: str) -> AliasChoices:
    """Return where a data source's field stands: one level down in Microsoft's client, or else at the top."""
    return AliasChoices(AliasPath("dataSourceMetadata", name), name)


class _DataSourceInfo(_Wire):
    data_source_id: _Name = Field(validation_alias=_metadata("dataSourceId"))
    name: str | None = Field(None, validation_alias=_metadata("name"))
    friendly_name: str | None = Field(None, validation_alias=_metadata("friendlyName"))
    kind: str | None = Field(None, validation_alias=_metadata("kind"))
    refresh_state: str | None = Field(None, validation_alias=_metadata("refreshState"))
    last_refresh: _Time | None = Field(None, validation_alias=_metadata("lastRefresh"))

    def resource(self) -> DataSource:
        return DataSource(
            id=self.data_source_id,
            name=self.name,
            friendly_name=self.friendly_name,
            kind=spelled(self.kind),
            refresh_state=spelled(self.refresh_state),
            last_refresh=_utc(self.last_refresh),
        )


class _GraphTaskInfo(_Wire):
    task_id: str | None = None
    task_status: str | None = None
    operation_type: str | None = None
    friendly_name: str | None = None
    job_ids: list[str] | None = None
    end_timestamp: _Time | None = None
    ci_error: _CIResult | None = None
    ci_errors: list[_CIResult] | None = None

    def resource(self) -> Task:
        return Task(
            operation_type=spelled(self.operation_type) or UNKNOWN,
            status=spelled(self.task_status) or UNKNOWN,
            id=self.task_id,
            friendly_name=self.friendly_name,
            job_ids=tuple(self.job_ids or ()),
            ended_at=_utc(self.end_timestamp),
            error=_fault(self.ci_error, self.ci_errors),
        )


class _GraphJobInfo(_Wire):
    job_id: _Name
    job_status: str | None = None
    operation_type: str | None = None
    job_submission_kind: str | None = None
    job_type: str | None = None
    submitted_timestamp: _Time | None = None
    end_timestamp: _Time | None = None
    tasks: list[_GraphTaskInfo] | None = None

    def resource(self) -> Job:
        return Job(
            id=self.job_id,
            status=spelled(self.job_status) or UNKNOWN,
            operation_type=spelled(self.operation_type),
            submission_kind=spelled(self.job_submission_kind),
            mode=spelled(self.job_type),
            submitted_at=_utc(self.submitted_timestamp),
            ended_at=_utc(self.end_timestamp),
            tasks=None if self.tasks is None else tuple(task.resource() for task in self.tasks),
        )


class _GraphNodeInfo(_Wire):
    operation_type: str | None = None
    identifier: str | None = None
    friendly_name: str | None = None
    task_status: str | None = None
    job_ids: list[str] | None = None
    end_timestamp: _Time | None = None
    last_success_job_ids: list[str] | None = None
    last_successful_timestamp: _Time | None = None
    ci_error: _CIResult | None = None
    ci_errors: list[_CIResult] | None = None

    def resource(self) -> Node | None:
        """Return the node, or None where it names no object: not every node has one."""
        operation_type = spelled(self.operation_type)
        if not operation_type or not self.identifier:
            return None
        return Node(
            operation_type=operation_type,
            identifier=self.identifier,
            status=spelled(self.task_status),
            friendly_name=self.friendly_name,
            job_ids=tuple(self.job_ids or ()),
            ended_at=_utc(self.end_timestamp),
            success_job_ids=tuple(self.last_success_job_ids or ()),
            succeeded_at=_utc(self.last_successful_timestamp),
            error=_fault(self.ci_error, self.ci_errors),
        )


class _SegmentStats(_Wire):
    job_status: str | None = None
    evaluation_date: _Time | None = None
    entity_count: _Count | None = None

    def resource(self) -> SegmentEvaluation:
        count = None if self.entity_count is None else int(self.entity_count)
        return SegmentEvaluation(spelled(self.job_status), _utc(self.evaluation_date), count)


class _SegmentMetadata(_Wire):
    name: _Name
    friendly_name: str | None = None
    evaluation_status: _SegmentStats | None = None
    evaluation_status_history: list[_SegmentStats] | None = None

    def resource(self) -> Segment:
        return Segment(
            name=self.name,
            friendly_name=self.friendly_name,
            latest=None if self.evaluation_status is None else self.evaluation_status.resource(),
            history=tuple(evaluation.resource() for evaluation in self.evaluation_status_history or ()),
        )


class _Evaluation(_Wire):
    state: str | None = None
    end_time: _Time | None = None

    def resource(self) -> MeasureEvaluation:
        return MeasureEvaluation(spelled(self.state), _utc(self.end_time))


class _ScalarOutput(_Wire):
    values: dict[str, Any] | None = None
    evaluation_time: _Time | None = None

    def resource(self) -> MeasureOutput:
        return MeasureOutput(_utc(self.evaluation_time), _only_number((self.values or {}).values()))


class _MeasureDefinition(_Wire):
    is_scalar: bool | None = None
    is_manual_query_scalar: bool | None = None
    dimensions: list[Any] | None = None

    def is_one_number(self) -> bool:
        return bool(self.is_scalar or self.is_manual_query_scalar) and not self.dimensions


class _MeasureMetadata(_Wire):
    name: _Name
    display_name: str | None = None
    definition: _MeasureDefinition | None = None
    latest_evaluation: _Evaluation | None = None
    output: _ScalarOutput | None = None
    evaluation_history: list[_Evaluation] | None = None
    output_history: list[_ScalarOutput] | None = None

    def resource(self) -> Measure:
        return Measure(
            name=self.name,
            display_name=self.display_name,
            scalar=self.definition is not None and self.definition.is_one_number(),
            latest=None if self.latest_evaluation is None else self.latest_evaluation.resource(),
            output=None if self.output is None else self.output.resource(),
            evaluations=tuple(evaluation.resource() for evaluation in self.evaluation_history or ()),
            outputs=tuple(output.resource() for output in self.output_history or ()),
        )


def _utc(time: datetime | None) -> datetime | None:
    """Return the time in UTC (a time without a zone is in UTC already), or None for .NET's "no date"."""
    if time is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _fault(error: _CIResult | None, errors: Sequence[_CIResult] | None) -> Fault | None:
    """Return the one error, or else the first of the errors that says anything."""
    return (error and error.resource()) or _first_fault(errors or ())


def _first_fault(errors: Sequence[_CIResult]) -> Fault | None:
    return next((fault for error in errors if (fault := error.resource())), None)


def _only_number(values: Iterable[object]) -> Decimal | None:
    numbers = [number for value in values if (number := _number(value)) is not None]
    return numbers[0] if len(numbers) == 1 else None


def _number(value: object) -> Decimal | None:
    """Return a finite number as it is written, without a detour over binary floats; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


INSTANCES: Final = Reader(
    "instance",
    model=_InstanceInfo,
    resource=_InstanceInfo.resource,
    identity=lambda instance: instance.id,
    names=("instanceId", "name"),
)
DATA_SOURCES: Final = Reader(
    "data source",
    model=_DataSourceInfo,
    resource=_DataSourceInfo.resource,
    identity=lambda source: source.id,
    names=("dataSourceMetadata.dataSourceId", "dataSourceId", "dataSourceMetadata.name", "name"),
)
NODES: Final = Reader(
    "workflow node",
    model=_GraphNodeInfo,
    resource=_GraphNodeInfo.resource,
    identity=lambda node: (node.operation_type, node.identifier),
    names=("identifier", "friendlyName", "operationType"),
)
JOBS: Final = Reader(
    "job",
    model=_GraphJobInfo,
    resource=_GraphJobInfo.resource,
    identity=lambda job: job.id,
    names=("jobId",),
)
SEGMENTS: Final = Reader(
    "segment",
    model=_SegmentMetadata,
    resource=_SegmentMetadata.resource,
    identity=lambda segment: segment.name,
    names=("name", "friendlyName"),
)
MEASURES: Final = Reader(
    "measure",
    model=_MeasureMetadata,
    resource=_MeasureMetadata.resource,
    identity=lambda measure: measure.name,
    names=("name", "displayName"),
)
