"""The API's answers as the catalog shows them: all that people ask about, where `wire` reads what a poll compares.

Only names and ids are required; unknown keys are ignored, and enum values come out in one spelling.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainValidator, ValidationError

from shared.domain import ids, watching
from shared.domain.catalog import (
    Column,
    DataSource,
    Instance,
    Job,
    JobTask,
    Measure,
    Node,
    Partition,
    Reading,
    Segment,
    Table,
    TableDetail,
)
from shared.domain.faults import error_of
from shared.domain.rows import row_schema
from shared.insights import wire
from shared.insights.delimited import TextFormat
from shared.insights.reading import Reader
from shared.insights.spelling import spelled
from shared.insights.values import Name, Text, Time, Wire, fault, utc
from shared.insights.wire import metadata


class _Instance(wire.InstanceInfo):
    instance_type: str | None = None
    azure_region: str | None = None

    def shown(self) -> Instance:
        return Instance(
            instance_id=self.instance_id, name=self.name, instance_type=self.instance_type, region=self.azure_region
        )


class _DataSource(wire.DataSourceInfo):
    is_active: bool | None = Field(None, validation_alias=metadata("isActive"))
    entity_names: list[str] | None = Field(None, validation_alias=metadata("entityNames"))

    def shown(self) -> DataSource:
        return DataSource(
            data_source_id=self.data_source_id,
            name=self.name,
            friendly_name=self.friendly_name,
            kind=spelled(self.kind),
            is_active=self.is_active,
            provisioning_state=spelled(self.provisioning_state),
            refresh_state=spelled(self.refresh_state),
            last_refresh_at=utc(self.last_refresh),
            tables=self.entity_names,
        )


class _Segment(wire.SegmentMetadata):
    description: Text | None = None

    def shown(self) -> Segment:
        latest = (self.evaluation_status or wire.SegmentStats()).resource()
        return Segment(
            name=self.name,
            friendly_name=self.friendly_name,
            description=self.description,
            state=spelled(self.state),
            member_count=latest.count,
            evaluation_status=latest.status,
            evaluated_at=latest.at,
            history=None if self.evaluation_status_history is None else _history(watching.counts_of(self.resource())),
        )


class _Measure(wire.MeasureMetadata):
    description: Text | None = None

    def shown(self) -> Measure:
        measure = self.resource()
        return Measure(
            name=self.name,
            display_name=self.display_name,
            description=self.description,
            scalar=measure.scalar,
            value=measure.output.value if measure.scalar and measure.output else None,
            dimensions=measure.dimensions,
            aggregates=measure.aggregates,
            dimensions_schema={
                "type": "object",
                "properties": {name: {"type": "string", "title": name} for name in measure.dimensions},
                "required": list(measure.dimensions),
            },
            evaluation_status=measure.latest.state if measure.latest else None,
            evaluated_at=measure.latest.ended_at if measure.latest else None,
            history=None if self.output_history is None else _history(watching.readings_of(measure)),
        )


def _history(readings: Iterable[watching.Reading]) -> Sequence[Reading]:
    return [Reading(value=reading.value, at=reading.at) for reading in readings]


class _Task(wire.GraphTaskInfo):
    submitted_timestamp: Time | None = None

    def shown(self) -> JobTask:
        task = self.resource()
        return JobTask(
            operation_type=task.operation_type,
            name=task.friendly_name,
            status=task.status,
            submitted_at=utc(self.submitted_timestamp),
            completed_at=task.ended_at,
            error=error_of(task.error),
        )


class _Job(wire.GraphJobInfo):
    tasks: list[_Task] | None = None  # type: ignore[assignment]  # each tells more here

    def shown(self) -> Job:
        tasks = None if self.tasks is None else [task.shown() for task in self.tasks]
        return Job(
            job_id=self.job_id,
            operation_type=spelled(self.operation_type),
            status=spelled(self.job_status),
            submission_kind=spelled(self.job_submission_kind),
            mode=spelled(self.job_type),
            submitted_at=utc(self.submitted_timestamp),
            completed_at=utc(self.end_timestamp),
            tasks=tasks,
        )


class _Node(wire.GraphNodeInfo):
    """A node, also one that names no object."""

    def shown(self) -> Node:
        return Node(
            operation_type=spelled(self.operation_type),
            identifier=self.identifier,
            name=self.friendly_name,
            status=spelled(self.task_status),
            job_ids=self.job_ids or (),
            completed_at=utc(self.end_timestamp),
            last_succeeded_at=utc(self.last_successful_timestamp),
            error=error_of(fault(self.ci_error, self.ci_errors)),
        )


class _Attribute(Wire):
    name: Name
    friendly_name: Text | None = None
    data_type: str | None = None

    def shown(self) -> Column:
        return Column(name=self.name, friendly_name=self.friendly_name, data_type=self.data_type)


def _named(value: object) -> object:
    """Microsoft's client reads a key as a list of columns; a bare name stands for one."""
    return {"name": value} if isinstance(value, str) else value


class FileFormatSettings(Wire):
    """How a partition's file is written: the Common Data Model's `CsvFormatSettings`."""

    column_headers: bool | None = None
    delimiter: Text | None = None
    quote_style: Text | None = None
    encoding: Text | None = None


class PartitionMetadata(Wire):
    """A partition; `location` is where its file is, and may hold a signature: it is never shown."""

    name: Name
    location: str | None = Field(None, repr=False)
    refresh_time: Time | None = None
    file_format_settings: FileFormatSettings | None = None
    has_header: bool | None = None

    @property
    def begins_with_header(self) -> bool | None:
        """Whether its file begins with the columns' names; None where nothing tells, or two words contradict."""
        settings = self.file_format_settings or FileFormatSettings()
        words = {word for word in (self.has_header, settings.column_headers) if word is not None}
        return words.pop() if len(words) == 1 else None

    def text_format(self) -> TextFormat:
        """How its file is written. Raises `UnreadableFileError` for what cannot be read."""
        settings = self.file_format_settings or FileFormatSettings()
        return TextFormat.declared(settings.delimiter, settings.quote_style, settings.encoding)

    def shown(self) -> Partition:
        """The partition as callers see it."""
        return Partition(name=self.name, refreshed_at=utc(self.refresh_time))


@dataclass(frozen=True, slots=True)
class UnreadablePartition:
    """What stands in the place of a partition that cannot be read, whose place and files must not be another's."""

    flaw: str


def _in_place(value: object) -> PartitionMetadata | UnreadablePartition:
    try:
        # As JSON, which times are read from.
        return PartitionMetadata.model_validate_json(json.dumps(value))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, wrong["loc"]))
        return UnreadablePartition(f"{field}: {wrong['msg']}" if field else wrong["msg"])


class EntityMetadata(Wire):
    """A table with its columns and partitions."""

    name: Name
    qualified_entity_name: str | None = None
    entity_type: str | None = None
    data_source_name: Text | None = None
    refresh_time: Time | None = None
    attributes: list[_Attribute] | None = None
    keys: list[list[Annotated[_Attribute, BeforeValidator(_named)]]] | None = None
    partitions: list[Annotated[PartitionMetadata | UnreadablePartition, PlainValidator(_in_place)]] | None = None

    @property
    def data_name(self) -> str:
        """The name by which its rows are read."""
        return self.qualified_entity_name or self.name

    def shown(self) -> Table:
        """The table without its columns."""
        return Table(
            name=self.name,
            qualified_name=self.data_name,
            type=spelled(self.entity_type),
            data_source_name=self.data_source_name,
            refreshed_at=utc(self.refresh_time),
        )

    def detailed(self) -> TableDetail:
        """The table with its columns."""
        columns = self.columns()
        return TableDetail(
            **self.shown().model_dump(),
            columns=columns,
            keys=[[column.name for column in key] for key in self.keys or ()],
            row_schema=row_schema(columns),
        )

    def columns(self) -> Sequence[Column]:
        """The columns in their order."""
        return [attribute.shown() for attribute in self.attributes or ()]


class _EntityModel(Wire):
    """All tables of an instance: the list is one level down."""

    entities: list[EntityMetadata] | None = None

    def all(self) -> Sequence[EntityMetadata]:
        return self.entities or ()


INSTANCES: Final = Reader(
    "instance",
    model=_Instance,
    resource=_Instance.shown,
    identity=lambda one: ids.key(one.instance_id),
    names=("instanceId",),
)
DATA_SOURCES: Final = Reader(
    "data source",
    model=_DataSource,
    resource=_DataSource.shown,
    identity=lambda one: ids.key(one.data_source_id),
    names=wire.DATA_SOURCE_NAMES,
)
SEGMENTS: Final = Reader(
    "segment", model=_Segment, resource=_Segment.shown, identity=lambda one: one.name, names=("name", "friendlyName")
)
MEASURES: Final = Reader(
    "measure", model=_Measure, resource=_Measure.shown, identity=lambda one: one.name, names=("name", "displayName")
)
JOBS: Final = Reader("job", model=_Job, resource=_Job.shown, identity=lambda one: ids.key(one.job_id), names=("jobId",))
# Nothing identifies a node that names no object: all of them count.
NODES: Final = Reader(
    "workflow node", model=_Node, resource=_Node.shown, identity=id, names=("identifier", "friendlyName")
)
TABLES: Final = Reader(
    "list of tables", model=_EntityModel, resource=_EntityModel.all, identity=id, names=("instanceId",)
)
TABLE: Final = Reader(
    "table", model=EntityMetadata, resource=lambda one: one, identity=lambda one: one.name, names=("name",)
)
