"""What a tenant of some size answers to a poll: bytes, as the API writes them.

The tenant is simulated (`local/tenant`); its definitions are made as long as those of real segments and measures.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from local.tenant import wire, wire_workflow
from local.tenant.model import Instance, Tenant
from local.tenant.records import Measure, Segment
from local.tenant.runs import run_full_refresh
from local.tenant.wire import Json

NIGHT: Final = datetime(2026, 11, 20, 3, tzinfo=UTC)
_SOURCES: Final = 50
_JOBS: Final = 20  # as many as a poll asks for at first


@dataclass(frozen=True, slots=True)
class Answers:
    """The bodies of a poll's answers, in the order in which it asks, and how many items they list."""

    data_sources: bytes
    nodes: bytes
    jobs: bytes
    segments: bytes
    measures: bytes
    items: int

    def by_path(self, of: Tenant) -> Mapping[str, bytes]:
        """The bodies by how the paths end at which they are asked for, with the list of the tenant's instances."""
        instances = _body([wire.instance_item(instance) for instance in of.instances.values()])
        return {
            "/instances": instances,
            "/manage/datasources": self.data_sources,
            "/status": self.nodes,
            "/jobs": self.jobs,
            "/manage/segments": self.segments,
            "/manage/measures": self.measures,
        }

    @property
    def all(self) -> Sequence[bytes]:
        """All bodies."""
        return (self.data_sources, self.nodes, self.jobs, self.segments, self.measures)


def tenant(count: int) -> tuple[Tenant, Instance]:
    """A tenant with so many segments and so many measures, refreshed in one night."""
    made = Tenant()
    instance = made.add_instance("Contoso", NIGHT - timedelta(days=1))
    for number in range(_SOURCES):
        instance.add_data_source(f"Source_{number:03}", NIGHT - timedelta(days=1))
    for number in range(count):
        instance.add_segment(f"Segment_{number:05}", 10 * number, NIGHT - timedelta(days=1), description=_PURPOSE)
        instance.add_measure(f"Measure_{number:05}", 10 * number, NIGHT - timedelta(days=1), description=_PURPOSE)
    instance.workflow.jobs.clear()
    run_full_refresh(instance, NIGHT)
    for number, source in enumerate([*instance.data_sources][: _JOBS - 1]):
        instance.refresh_data_source(source, True, NIGHT + timedelta(minutes=5 * (number + 1)))  # noqa: FBT003 - it went well
    return made, instance


def answers(instance: Instance) -> Answers:
    """What the instance shows."""
    workflow = instance.workflow
    lists = (
        [wire.data_source_item(source) for source in instance.data_sources.values()],
        [wire_workflow.node_item(node) for node in workflow.nodes.values()],
        [wire_workflow.job_item(job, with_tasks=True) for job in workflow.jobs[:_JOBS]],
        [_segment(one) for one in instance.segments.values()],
        [_measure(one) for one in instance.measures.values()],
    )
    data_sources, nodes, jobs, segments, measures = map(_body, lists)
    return Answers(data_sources, nodes, jobs, segments, measures, sum(map(len, lists)))


def _body(items: Sequence[Json]) -> bytes:
    return json.dumps(items, separators=(",", ":")).encode()


def _segment(segment: Segment) -> Json:
    """A segment with a definition as somebody has made it: groups of conditions."""
    groups = [{"rowsetOperation": "union", "criteria": _criteria(segment.name), "paths": [["Customer"]]}] * 2
    query = {"type": "structured", "projections": [], "projectedAttributes": [], "rowsets": groups, "hierarchies": []}
    return wire.segment_item(segment, None) | {"segmentQueryExpression": query}


def _measure(measure: Measure) -> Json:
    """A measure of what meets some conditions."""
    item = wire.measure_item(measure, None)
    definition: Any = item["definition"]
    return item | {"definition": {**definition, "filteringCriteria": _criteria(measure.name)}}


def _criteria(name: str) -> Json:
    conditions = [_condition(attribute, f"{name} {attribute}") for attribute in _ATTRIBUTES]
    return _condition(None, None) | {"childCriterias": conditions}


def _condition(attribute: str | None, value: str | None) -> Json:
    return {
        "kind": "default",
        "logicalOperator": "and",
        "attribute": attribute,
        "comparisonOperator": "isEqualTo",
        "childCriterias": [],
        "value": value,
        "ignoreCase": True,
        "listOfValues": [],
        "isTime": False,
    }


_PURPOSE: Final = "All who have bought something in a shop or online in the last year, and read the newsletter."
_ATTRIBUTES: Final = (
    "Customer.CountryOrRegion",
    "Customer.LoyaltyTier",
    "UnifiedActivity.ActivityType",
    "Sales_Orders.Channel",
)
