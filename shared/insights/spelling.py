"""The one spelling of Customer Insights' enum values: camelCase, as in Microsoft's published client.

The API itself does not keep to one: its 2021 client lists `successful` but `CompletedSuccess`, the Power BI connector
compares `AggregateKpi`, the documentation sends `operationType=Ingestion`. A value that is not listed here is newer
than this list and stays as it came; nothing here judges what a value means.
"""

_OPERATION_TYPES = """
    none ingestion derivedEntity hierarchy dataPreparation map realtimeM3Search match merge profileStore search activity
    contact attributeMeasures entityMeasures measures segmentation segmentMembership enrichment preEnrichment transform
    intelligence aiBuilder insights export modelManagement relationship roleAssignment analysis semanticEntity all
    dataverseHydration
"""
_JOBS_AND_TASKS = """
    queued needsUpdate running failed timedOut aborted deleted successful skipped onDemand scheduled full incremental
"""
_DATA_SOURCES = """
    notUpdated updated updating updateFailed updateCancelled
    salesforce dynamics365 powerQuery attachCdm attachSynapse attachCds powerPlatform datahub firstParty
"""
_STATES = """
    inactive active validating validated invalid validationError
    new creating createFailed deleting refreshCredentials resetInstanceInProgress quickUpdate deactivated
    trial sandbox production pitchDemo pov
"""
_TABLES = """
    unspecified profile conflationMap aggregateKpi profileKpi unifiedActivity segment genericPrediction derivedEntity
    corrupt selfConflation conflationManualReview selfConflationManualReview semanticActivity dataLineage
"""
_EVALUATIONS = """
    none queued running failed completed completedSuccess completedFailure cancelled interrupted notQualified
"""
_FAULTS = """
    system user external error warning recommendation
"""

# One table serves all enums: no two of them spell the same letters differently.
_SPELLINGS = {
    value.lower(): value
    for values in (_OPERATION_TYPES, _JOBS_AND_TASKS, _DATA_SOURCES, _STATES, _TABLES, _EVALUATIONS, _FAULTS)
    for value in values.split()
}


def spelled(value: str | None) -> str | None:
    """Return the value in its one spelling if it is a known one in any case, else as it came."""
    return value if value is None else _SPELLINGS.get(value.lower(), value)
