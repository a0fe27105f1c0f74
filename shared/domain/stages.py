"""Stages: which tasks of a job make up which part of it. The one table of what operation types mean.

Microsoft's client lists the operation types (PyPI customerinsights 1.0.8); what they stand for is documented for a few
of them only. The rest is an assumption, and says so. An operation type that belongs to no stage is one of its own,
under its own name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

type Stage = Literal[
    "dataSources",
    "unification",
    "relationships",
    "activities",
    "enrichments",
    "segments",
    "measures",
    "predictions",
    "exports",
    "dataverseSync",
]

# The pages are Microsoft's, of Customer Insights - Data on learn.microsoft.com.
ODATA_EXAMPLES: Final = "OData query examples: operationType=Ingestion takes the ids of data sources"
DIAGNOSTICS: Final = "Log forwarding with Azure Monitor: the operation types of the workflow's events"
PERFORMANCE: Final = "Performance page: a stage of that name"
ASSUMPTION: Final = "assumption"


@dataclass(frozen=True, slots=True)
class Part:
    """That the tasks of an operation type are a part of a stage, and who says so."""

    stage: Stage
    says: str


PARTS: Final[Mapping[str, Part]] = {
    "ingestion": Part("dataSources", ODATA_EXAMPLES),
    "map": Part("unification", DIAGNOSTICS),
    "match": Part("unification", DIAGNOSTICS),
    "merge": Part("unification", DIAGNOSTICS),
    "relationship": Part("relationships", ASSUMPTION),
    "activity": Part("activities", ASSUMPTION),
    "enrichment": Part("enrichments", PERFORMANCE),
    "preEnrichment": Part("enrichments", ASSUMPTION),
    "segmentation": Part("segments", DIAGNOSTICS),
    "segmentMembership": Part("segments", ASSUMPTION),
    "measures": Part("measures", DIAGNOSTICS),
    "entityMeasures": Part("measures", ASSUMPTION),
    "attributeMeasures": Part("measures", ASSUMPTION),
    "intelligence": Part("predictions", ASSUMPTION),
    "aiBuilder": Part("predictions", ASSUMPTION),
    "insights": Part("predictions", ASSUMPTION),
    "export": Part("exports", DIAGNOSTICS),
    # The performance page of 2026 shows a stage "Sync to Dataverse" and lets this key through; no client has it.
    "dataverseHydration": Part("dataverseSync", ASSUMPTION),
}
# As people call them.
CALLED: Final[Mapping[str, str]] = {
    "dataSources": "The data sources",
    "unification": "The unification",
    "relationships": "The relationships",
    "activities": "The activities",
    "enrichments": "The enrichments",
    "segments": "The segments",
    "measures": "The measures",
    "predictions": "The predictions",
    "exports": "The exports",
    "dataverseSync": "The sync to Dataverse",
}

_STAGES: Final = {operation_type.casefold(): part.stage for operation_type, part in PARTS.items()}


def stage_of(operation_type: str) -> str:
    """The stage that tasks of an operation type belong to."""
    return _STAGES.get(operation_type.casefold(), operation_type)


def key(stage: str) -> str:
    """What all spellings of a stage have in common."""
    return stage.casefold()
