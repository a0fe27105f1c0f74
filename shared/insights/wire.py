"""The API's answers as they look on the wire, exactly what a poll reads of them, and how they become resources.

Only names and ids are required: everything else may be missing or null, and unknown keys are ignored (all properties
are optional in Microsoft's own client). Validation happens in Pydantic's compiled core; Python runs only in the
`resource` methods. They bring enum values to one spelling and times to UTC, and judge nothing.

Nothing here knows HTTP, and no wire name leaves this module.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import AliasChoices, AliasPath, Field, GetPydanticSchema
from pydantic_core.core_schema import no_info_after_validator_function

from shared.domain import ids
from shared.domain.resources import (
    UNKNOWN,
    DataSource,
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
from shared.insights.values import (
    CIResult,
    Count,
    Id,
    Name,
    Time,
    Wire,
    fault,
    faults,
    only_number,
    said,
    utc,
    whole_number,
)


class InstanceInfo(Wire):
    """An environment."""

    instance_id: Id
    name: str | None = None

    def resource(self) -> Instance:
        """Return what a poll compares."""
        return Instance(self.instance_id, self.name)


def metadata(name: str) -> AliasChoices:
    """Return where a data source's field stands: one level down in Microsoft's client, or else at the top."""
    return AliasChoices(AliasPath("dataSourceMetadata", name), name)


class DataSourceInfo(Wire):
    """A data source."""

    data_source_id: Id = Field(validation_alias=metadata("dataSourceId"))
    name: str | None = Field(None, validation_alias=metadata("name"))
    friendly_name: str | None = Field(None, validation_alias=metadata("friendlyName"))
    kind: str | None = Field(None, validation_alias=metadata("kind"))
    provisioning_state: str | None = Field(None, validation_alias=metadata("provisioningState"))
    refresh_state: str | None = Field(None, validation_alias=metadata("refreshState"))
    last_refresh: Time | None = Field(None, validation_alias=metadata("lastRefresh"))

    def resource(self) -> DataSource:
        """Return what a poll compares."""
        return DataSource(
            id=self.data_source_id,
            name=self.name,
            friendly_name=self.friendly_name,
            kind=spelled(self.kind),
            refresh_state=spelled(self.refresh_state),
            last_refresh=utc(self.last_refresh),
            provisioning_state=spelled(self.provisioning_state),
        )


class GraphTaskInfo(Wire):
    """A step of a job."""

    task_id: str | None = None
    task_status: str | None = None
    operation_type: str | None = None
    friendly_name: str | None = None
    job_ids: list[str] | None = None
    end_timestamp: Time | None = None
    ci_error: CIResult | None = None
    ci_errors: list[CIResult] | None = None

    def resource(self) -> Task:
        """Return what a poll compares."""
        return Task(
            operation_type=spelled(self.operation_type) or UNKNOWN,
            status=spelled(self.task_status) or UNKNOWN,
            id=self.task_id,
            friendly_name=self.friendly_name,
            job_ids=tuple(self.job_ids or ()),
            ended_at=utc(self.end_timestamp),
            error=fault(self.ci_error, self.ci_errors),
            errors=faults(self.ci_error, self.ci_errors),
        )


# A job may have tens of thousands: each becomes a resource as it is read, and no two forms of all are held at once.
type _Task = Annotated[
    Task,
    GetPydanticSchema(
        lambda _, schema: no_info_after_validator_function(GraphTaskInfo.resource, schema(GraphTaskInfo))
    ),
]


class GraphJobInfo(Wire):
    """A job."""

    job_id: Id
    job_status: str | None = None
    operation_type: str | None = None
    job_submission_kind: str | None = None
    job_type: str | None = None
    submitted_timestamp: Time | None = None
    end_timestamp: Time | None = None
    tasks: list[_Task] | None = None

    def resource(self) -> Job:
        """Return what a poll compares."""
        return Job(
            id=self.job_id,
            status=spelled(self.job_status) or UNKNOWN,
            operation_type=spelled(self.operation_type),
            submission_kind=spelled(self.job_submission_kind),
            mode=spelled(self.job_type),
            submitted_at=utc(self.submitted_timestamp),
            ended_at=utc(self.end_timestamp),
            tasks=None if self.tasks is None else tuple(self.tasks),
        )


class GraphNodeInfo(Wire):
    """A node of the workflow."""

    operation_type: str | None = None
    identifier: str | None = None
    friendly_name: str | None = None
    task_status: str | None = None
    job_ids: list[str] | None = None
    end_timestamp: Time | None = None
    last_success_job_ids: list[str] | None = None
    last_successful_timestamp: Time | None = None
    ci_error: CIResult | None = None
    ci_errors: list[CIResult] | None = None

    def resource(self) -> Node | None:
        """Return the node, or None where it names no object: not every node has one."""
        operation_type = spelled(self.operation_type)
        if not operation_type or not self.identifier or not ids.key(self.identifier):
            return None
        return Node(
            operation_type=operation_type,
            identifier=self.identifier,
            status=spelled(self.task_status),
            friendly_name=self.friendly_name,
            job_ids=tuple(self.job_ids or ()),
            ended_at=utc(self.end_timestamp),
            success_job_ids=tuple(self.last_success_job_ids or ()),
            succeeded_at=utc(self.last_successful_timestamp),
            error=fault(self.ci_error, self.ci_errors),
            errors=faults(self.ci_error, self.ci_errors),
        )


class SegmentStats(Wire):
    """An evaluation of a segment."""

    job_status: str | None = None
    evaluation_date: Time | None = None
    entity_count: Count | None = None
    error: Any = None

    def resource(self) -> SegmentEvaluation:
        """Return what a poll compares."""
        error = said(self.error) if self.error else None
        return SegmentEvaluation(spelled(self.job_status), utc(self.evaluation_date), self.entity_count, error)


class SegmentMetadata(Wire):
    """A segment."""

    name: Name
    friendly_name: str | None = None
    state: str | None = None
    evaluation_status: SegmentStats | None = None
    evaluation_status_history: list[SegmentStats] | None = None

    def resource(self) -> Segment:
        """Return what a poll compares."""
        return Segment(
            name=self.name,
            friendly_name=self.friendly_name,
            latest=None if self.evaluation_status is None else self.evaluation_status.resource(),
            history=tuple(evaluation.resource() for evaluation in self.evaluation_status_history or ()),
            state=spelled(self.state),
        )


class Evaluation(Wire):
    """An evaluation of a measure."""

    state: str | None = None
    end_time: Time | None = None
    error: Any = None

    def resource(self) -> MeasureEvaluation:
        """Return what a poll compares."""
        error = said(self.error) if self.error else None
        return MeasureEvaluation(spelled(self.state), utc(self.end_time), error)


class ScalarOutput(Wire):
    """What an evaluation of a measure put out."""

    values: dict[str, Any] | None = None
    evaluation_time: Time | None = None

    def resource(self) -> MeasureOutput:
        """Return what a poll compares."""
        return MeasureOutput(utc(self.evaluation_time), only_number((self.values or {}).values()))


class MeasureDefinition(Wire):
    """What a measure calculates."""

    is_scalar: bool | None = None
    is_manual_query_scalar: bool | None = None
    dimensions: list[Any] | None = None
    aggregates: list[Any] | None = None

    def is_one_number(self) -> bool:
        """Whether it has a single number, which can cross a threshold."""
        return bool(self.is_scalar or self.is_manual_query_scalar) and not self.dimensions


def _named(parts: Sequence[object] | None) -> Sequence[str]:
    """Return the names by which a measure's table is taken to have its columns; empty for a part that has none."""
    return tuple(map(_name_of, parts)) if parts else ()


def _name_of(part: object) -> str:
    if isinstance(part, dict):
        for key in ("alias", "displayName", "field"):
            if isinstance(name := part.get(key), str) and name:
                return name
    return ""


class MeasureMetadata(Wire):
    """A measure."""

    name: Name
    display_name: str | None = None
    definition: MeasureDefinition | None = None
    latest_evaluation: Evaluation | None = None
    evaluation_stats: Any = None
    output: ScalarOutput | None = None
    evaluation_history: list[Evaluation] | None = None
    output_history: list[ScalarOutput] | None = None

    def resource(self) -> Measure:
        """Return what a poll compares."""
        stats = self.evaluation_stats
        return Measure(
            name=self.name,
            display_name=self.display_name,
            scalar=self.definition is not None and self.definition.is_one_number(),
            failures=whole_number(stats.get("consecutiveFailureCount")) if isinstance(stats, dict) else None,
            dimensions=_named(self.definition.dimensions) if self.definition else (),
            aggregates=_named(self.definition.aggregates) if self.definition else (),
            latest=None if self.latest_evaluation is None else self.latest_evaluation.resource(),
            output=None if self.output is None else self.output.resource(),
            evaluations=tuple(evaluation.resource() for evaluation in self.evaluation_history or ()),
            outputs=tuple(output.resource() for output in self.output_history or ()),
        )


DATA_SOURCE_NAMES: Final = ("dataSourceMetadata.dataSourceId", "dataSourceId", "dataSourceMetadata.name", "name")

INSTANCES: Final = Reader(
    "instance",
    model=InstanceInfo,
    resource=InstanceInfo.resource,
    identity=lambda instance: ids.key(instance.id),
    names=("instanceId", "name"),
)
DATA_SOURCES: Final = Reader(
    "data source",
    model=DataSourceInfo,
    resource=DataSourceInfo.resource,
    identity=lambda source: ids.key(source.id),
    names=DATA_SOURCE_NAMES,
)
NODES: Final = Reader(
    "workflow node",
    model=GraphNodeInfo,
    resource=GraphNodeInfo.resource,
    identity=lambda node: (node.operation_type, ids.key(node.identifier)),
    names=("identifier", "friendlyName", "operationType"),
)
JOBS: Final = Reader(
    "job",
    model=GraphJobInfo,
    resource=GraphJobInfo.resource,
    identity=lambda job: ids.key(job.id),
    names=("jobId",),
    long="tasks",
)
SEGMENTS: Final = Reader(
    "segment",
    model=SegmentMetadata,
    resource=SegmentMetadata.resource,
    identity=lambda segment: segment.name,
    names=("name", "friendlyName"),
)
MEASURES: Final = Reader(
    "measure",
    model=MeasureMetadata,
    resource=MeasureMetadata.resource,
    identity=lambda measure: measure.name,
    names=("name", "displayName"),
)
