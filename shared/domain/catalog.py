"""What the catalog shows of Customer Insights: the answers that pick-lists, actions and people get.

Enum values have Customer Insights' own spelling (camelCase); a value newer than this bridge stands as it came. Keys
without a value are left out.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from shared.domain.events.wire import Error, Number, Wire


class Listing[T](Wire):
    """A list answer."""

    value: Sequence[T] = Field(description="The items.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The name in the API's description: SegmentList."""
        return f"{params[0].__name__}List"


class Instance(Wire):
    """An environment of Customer Insights."""

    instance_id: str = Field(title="Environment id", description="The id of the environment.")
    name: str | None = Field(default=None, description="Its name.")
    instance_type: str | None = Field(default=None, description="What it is for, for example production.")
    region: str | None = Field(default=None, description="The Azure region it is in.")


class DataSource(Wire):
    """A data source and its latest refresh."""

    data_source_id: str = Field(description="The id of the data source.")
    name: str | None = Field(default=None, description="Its name.")
    friendly_name: str | None = Field(default=None, description="Its name as people see it.")
    kind: str | None = Field(default=None, description="How it is connected, for example powerQuery.")
    is_active: bool | None = Field(default=None, description="Whether it is in use.")
    provisioning_state: str | None = Field(default=None, description="The state it is in, for example active.")
    refresh_state: str | None = Field(default=None, description="How its latest refresh went, for example updated.")
    last_refresh_at: AwareDatetime | None = Field(default=None, description="When it was last refreshed (UTC).")
    tables: Sequence[str] | None = Field(default=None, description="The tables it brings.")


class Reading(Wire):
    """What an evaluation found."""

    value: Number = Field(description="The number.")
    at: AwareDatetime = Field(description="When the evaluation ended (UTC).")


class Segment(Wire):
    """A segment and its latest size."""

    name: str = Field(description="The name that identifies the segment.")
    friendly_name: str | None = Field(default=None, description="Its name as people see it.")
    description: str | None = Field(default=None, description="What it is.")
    state: str | None = Field(default=None, description="The state it is in, for example active.")
    member_count: int | None = Field(default=None, description="How many members the latest evaluation counted.")
    evaluation_status: str | None = Field(default=None, description="How the latest evaluation went.")
    evaluated_at: AwareDatetime | None = Field(default=None, description="When it was last evaluated (UTC).")
    history: Sequence[Reading] | None = Field(
        default=None, description="Its sizes of the last 30 days, oldest first; not in a list."
    )


class Measure(Wire):
    """A measure and its latest value."""

    name: str = Field(description="The name that identifies the measure.")
    display_name: str | None = Field(default=None, description="Its name as people see it.")
    description: str | None = Field(default=None, description="What it measures.")
    scalar: bool = Field(description="Whether it is a single number, which can cross a threshold.")
    value: Number | None = Field(default=None, description="The number, where it is a single one.")
    dimensions: Sequence[str] = Field(default=(), description="Its dimensions; a single number has none.")
    aggregates: Sequence[str] = Field(default=(), description="Its calculations.")
    dimensions_schema: dict[str, Any] = Field(
        default_factory=dict, description="The JSON Schema of an object that has a value for each dimension."
    )
    evaluation_status: str | None = Field(default=None, description="How the latest evaluation went.")
    evaluated_at: AwareDatetime | None = Field(default=None, description="When the latest evaluation ended (UTC).")
    history: Sequence[Reading] | None = Field(
        default=None, description="Its numbers of the last 30 days, oldest first; not in a list."
    )


class Table(Wire):
    """A table."""

    name: str = Field(description="Its name.")
    qualified_name: str = Field(description="The name by which its rows are read: unique in the environment.")
    type: str | None = Field(default=None, description="What it holds, for example profile.")
    data_source_name: str | None = Field(default=None, description="The data source it comes from.")
    refreshed_at: AwareDatetime | None = Field(default=None, description="When it was last refreshed (UTC).")


class Column(Wire):
    """A column of a table."""

    name: str = Field(description="The name of the column.")
    friendly_name: str | None = Field(default=None, description="Its name as people see it.")
    data_type: str | None = Field(default=None, description="Its type as Customer Insights names it.")


class TableDetail(Table):
    """A table with its columns."""

    columns: Sequence[Column] = Field(description="Its columns.")
    keys: Sequence[Sequence[str]] = Field(default=(), description="The columns that identify a row, key by key.")
    row_schema: dict[str, Any] = Field(description="The JSON Schema of a row.")


class Partition(Wire):
    """A part of a table's data."""

    name: str = Field(description="The name of the partition.")
    refreshed_at: AwareDatetime | None = Field(default=None, description="When it was last refreshed (UTC).")


class JobTask(Wire):
    """One step of a job."""

    operation_type: str | None = Field(default=None, description="What it does, for example segmentation.")
    name: str | None = Field(default=None, description="What it works on.")
    status: str | None = Field(default=None, description="How far it is, for example running.")
    submitted_at: AwareDatetime | None = Field(default=None, description="When it was submitted (UTC).")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")
    error: Error | None = Field(default=None, description="What went wrong.")


class Job(Wire):
    """A run of the refresh workflow."""

    job_id: str = Field(description="The id of the job.")
    operation_type: str | None = Field(default=None, description="What it refreshes, for example all.")
    status: str | None = Field(default=None, description="How far it is, for example queued.")
    submission_kind: str | None = Field(default=None, description="scheduled or onDemand.")
    mode: str | None = Field(default=None, description="full or incremental.")
    submitted_at: AwareDatetime | None = Field(default=None, description="When it was submitted (UTC).")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")
    tasks: Sequence[JobTask] | None = Field(default=None, description="Its steps.")


class Watchers(Wire):
    """How many flows watch something, by their subscriptions' status."""

    active: int = Field(default=0, description="How many are active.")
    failing: int = Field(default=0, description="How many are failing.")
    paused: int = Field(default=0, description="How many are paused.")
    suspended: int = Field(default=0, description="How many are suspended.")


class Node(Wire):
    """The state of one node of the refresh workflow."""

    operation_type: str | None = Field(default=None, description="What the node does, for example ingestion.")
    identifier: str | None = Field(default=None, description="The id or name of what it works on.")
    name: str | None = Field(default=None, description="What it works on, as people see it.")
    status: str | None = Field(default=None, description="How its latest run went, for example successful.")
    job_ids: Sequence[str] = Field(default=(), description="The jobs of its latest run.")
    completed_at: AwareDatetime | None = Field(default=None, description="When its latest run ended (UTC).")
    last_succeeded_at: AwareDatetime | None = Field(default=None, description="When it last succeeded (UTC).")
    duration_seconds: float | None = Field(
        default=None, description="How long its latest run took since it was submitted, where a recent job tells."
    )
    error: Error | None = Field(default=None, description="What went wrong in its latest run.")
    subscriptions: Watchers | None = Field(
        default=None, description="The flows that watch this data source, segment, measure or export."
    )


ReportType = Literal["summary", "detailed"]


class Report(Wire):
    """How the environment is: its latest job, how many nodes are in which state, and what failed."""

    instance_id: str = Field(title="Environment id", description="The id of the environment.")
    report_type: ReportType = Field(description="summary, or detailed with the state of every node.")
    latest_job: Job | None = Field(default=None, description="The latest job.")
    counts: dict[str, int] = Field(description="How many nodes are in which state.")
    failures: Sequence[Node] = Field(description="The nodes whose latest run failed.")
    nodes: Sequence[Node] | None = Field(default=None, description="Every node, in a detailed report.")
