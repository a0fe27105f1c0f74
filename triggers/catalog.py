"""The catalog: what there is in Customer Insights, for pick-lists and people."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from shared.composition import bridge
from shared.domain.catalog import (
    DataSource,
    Instance,
    Job,
    Listing,
    Measure,
    Node,
    Report,
    ReportType,
    Segment,
    Table,
    TableDetail,
)
from shared.domain.reports import report
from shared.domain.took import timed
from triggers.operations import Routes
from triggers.parameters import InInstance, JobPath, MeasurePath, Path, SegmentPath, TablePath

routes = Routes()
blueprint = routes.blueprint

# Among so many of the latest jobs the runs of nodes are looked for, to say how long they took.
RECENT_JOBS = 20
FINDING = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


class JobsQuery(Path):
    """How many jobs to list."""

    top: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=10, title="Number of jobs", description="How many jobs at most, newest first."
    )


class ReportQuery(Path):
    """Which report to make."""

    report_type: ReportType = Field(
        default="summary",
        title="Report type",
        description="summary: counts and failures; detailed: with the state of every node, too.",
    )


@routes("GET", "instances", summary="List environments", visibility="normal", problems=FINDING)
async def list_instances() -> Listing[Instance]:
    """The Customer Insights environments that the bridge serves."""
    instances = await bridge().catalog.instances()
    return Listing[Instance](value=bridge().served.among(instances))


@routes(
    "GET", "instances/{instanceId}/data-sources", summary="List data sources", visibility="normal", problems=FINDING
)
async def list_data_sources(path: InInstance) -> Listing[DataSource]:
    """The data sources of an environment, each with the state of its latest refresh."""
    found = await bridge().catalog.data_sources(bridge().served(path.instance_id))
    return Listing[DataSource](value=found)


@routes("GET", "instances/{instanceId}/segments", summary="List segments", visibility="normal", problems=FINDING)
async def list_segments(path: InInstance) -> Listing[Segment]:
    """The segments of an environment, each with its latest size."""
    return Listing[Segment](value=await bridge().catalog.segments(bridge().served(path.instance_id)))


@routes("GET", "instances/{instanceId}/segments/{name}", summary="Get a segment", visibility="normal", problems=FINDING)
async def get_segment(path: SegmentPath) -> Segment:
    """One segment with its latest size."""
    return await bridge().catalog.segment(bridge().served(path.instance_id), path.name)


@routes("GET", "instances/{instanceId}/measures", summary="List measures", visibility="normal", problems=FINDING)
async def list_measures(path: InInstance) -> Listing[Measure]:
    """The measures of an environment, each with its latest value where it is a single number."""
    return Listing[Measure](value=await bridge().catalog.measures(bridge().served(path.instance_id)))


@routes("GET", "instances/{instanceId}/measures/{name}", summary="Get a measure", visibility="normal", problems=FINDING)
async def get_measure(path: MeasurePath) -> Measure:
    """One measure with its latest value where it is a single number."""
    return await bridge().catalog.measure(bridge().served(path.instance_id), path.name)


@routes("GET", "instances/{instanceId}/tables", summary="List tables", visibility="normal", problems=FINDING)
async def list_tables(path: InInstance) -> Listing[Table]:
    """The tables of an environment (Customer Insights also calls them entities)."""
    return Listing[Table](value=await bridge().catalog.tables(bridge().served(path.instance_id)))


@routes("GET", "instances/{instanceId}/tables/{table}", summary="Get a table", problems=FINDING)
async def get_table(path: TablePath) -> TableDetail:
    """One table with its columns, its keys and the JSON Schema of its rows."""
    return await bridge().catalog.table(bridge().served(path.instance_id), path.table)


@routes("GET", "instances/{instanceId}/jobs", summary="List jobs", visibility="normal", problems=FINDING)
async def list_jobs(path: InInstance, query: JobsQuery) -> Listing[Job]:
    """The latest runs of the refresh workflow, newest first."""
    return Listing[Job](value=await bridge().catalog.jobs(bridge().served(path.instance_id), query.top))


@routes("GET", "instances/{instanceId}/jobs/{jobId}", summary="Get a job", visibility="normal", problems=FINDING)
async def get_job(path: JobPath) -> Job:
    """One run of the refresh workflow with its steps."""
    return await bridge().catalog.job(bridge().served(path.instance_id), path.job_id)


@routes("GET", "instances/{instanceId}/status", summary="Get the status", problems=FINDING)
async def get_status(path: InInstance) -> Listing[Node]:
    """The state of every node of the refresh workflow, with how many flows watch what it works on."""
    instance_id, catalog = bridge().served(path.instance_id), bridge().catalog
    nodes, jobs = await asyncio.gather(
        catalog.nodes(instance_id), catalog.jobs(instance_id, RECENT_JOBS, with_tasks=True)
    )
    return Listing[Node](value=await bridge().watched(instance_id, timed(nodes, jobs)))


@routes(
    "GET", "instances/{instanceId}/report", summary="Get the status report", visibility="important", problems=FINDING
)
async def get_status_report(path: InInstance, query: ReportQuery) -> Report:
    """How the environment is: the latest job, how many nodes are in which state, and what failed."""
    instance_id, catalog = bridge().served(path.instance_id), bridge().catalog
    jobs, nodes = await asyncio.gather(catalog.jobs(instance_id, top=1), catalog.nodes(instance_id))
    return report(instance_id, query.report_type, jobs, nodes)
