"""The typed events, one file a family: each type's name, data, title, description, sample and filters stand there once.

Everything that shows an event type (catalog, connector, docs) is made from these models.
"""

from shared.domain.events.data import EventData
from shared.domain.events.data_sources import (
    DataSourceCredentialsExpired,
    DataSourceRefreshed,
    DataSourceRefreshFailed,
    DataSourceRefreshOverdue,
    DataSourceRefreshSucceeded,
)
from shared.domain.events.envelope import NAMESPACE, SOURCE_PREFIX, Event, trace_context
from shared.domain.events.exports import ExportRefreshFailed
from shared.domain.events.jobs import (
    MAX_FAILED_TASKS_BYTES,
    MAX_WARNINGS_BYTES,
    FailedTask,
    Outcome,
    RunCompleted,
    StageRefreshCompleted,
    SystemRefreshCompleted,
    SystemRefreshOverdue,
    UnificationRefreshCompleted,
    UnificationStep,
)
from shared.domain.events.measures import MeasureRefreshFailed, MeasureThresholdCrossed
from shared.domain.events.segments import SegmentDeactivated, SegmentRefreshFailed, SegmentThresholdCrossed
from shared.domain.events.thresholds import ThresholdCrossed
from shared.domain.events.wire import (
    MAX_TEXT,
    MAX_WHOLE,
    Error,
    Name,
    Number,
    Text,
    Warned,
    Wire,
    in_utc,
    json_number,
    json_text,
)

# All types, in the order in which they are shown.
EVENT_TYPES: tuple[type[EventData], ...] = (
    DataSourceRefreshFailed,
    DataSourceRefreshSucceeded,
    SegmentThresholdCrossed,
    MeasureThresholdCrossed,
    SystemRefreshCompleted,
    UnificationRefreshCompleted,
    StageRefreshCompleted,
    SegmentRefreshFailed,
    MeasureRefreshFailed,
    ExportRefreshFailed,
    DataSourceCredentialsExpired,
    SegmentDeactivated,
    DataSourceRefreshOverdue,
    SystemRefreshOverdue,
)

__all__ = [
    "EVENT_TYPES",
    "MAX_FAILED_TASKS_BYTES",
    "MAX_TEXT",
    "MAX_WARNINGS_BYTES",
    "MAX_WHOLE",
    "NAMESPACE",
    "SOURCE_PREFIX",
    "DataSourceCredentialsExpired",
    "DataSourceRefreshFailed",
    "DataSourceRefreshOverdue",
    "DataSourceRefreshSucceeded",
    "DataSourceRefreshed",
    "Error",
    "Event",
    "EventData",
    "ExportRefreshFailed",
    "FailedTask",
    "MeasureRefreshFailed",
    "MeasureThresholdCrossed",
    "Name",
    "Number",
    "Outcome",
    "RunCompleted",
    "SegmentDeactivated",
    "SegmentRefreshFailed",
    "SegmentThresholdCrossed",
    "StageRefreshCompleted",
    "SystemRefreshCompleted",
    "SystemRefreshOverdue",
    "Text",
    "ThresholdCrossed",
    "UnificationRefreshCompleted",
    "UnificationStep",
    "Warned",
    "Wire",
    "in_utc",
    "json_number",
    "json_text",
    "trace_context",
]
