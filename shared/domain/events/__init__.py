"""The typed events, one file a family: each type's name, data, title, description, sample and filters stand there once.

Everything that shows an event type (catalog, connector, docs) is made from these models.
"""

from shared.domain.events.data import EventData
from shared.domain.events.data_sources import DataSourceRefreshFailed, DataSourceRefreshSucceeded
from shared.domain.events.envelope import NAMESPACE, SOURCE_PREFIX, Event, Notice, trace_context
from shared.domain.events.jobs import (
    MAX_FAILED_TASKS_BYTES,
    FailedTask,
    Outcome,
    RunCompleted,
    SystemRefreshCompleted,
    UnificationRefreshCompleted,
    UnificationStep,
)
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.events.polling import EventsMissed, PollingError, PollingFailed, PollingRecovered
from shared.domain.events.segments import SegmentThresholdCrossed
from shared.domain.events.subscriptions import (
    SubscriptionFailing,
    SubscriptionNotice,
    SubscriptionResumed,
    SubscriptionSuspended,
)
from shared.domain.events.thresholds import ThresholdCrossed
from shared.domain.events.wire import (
    MAX_TEXT,
    MAX_WHOLE,
    Error,
    Name,
    Number,
    Text,
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
    PollingFailed,
    PollingRecovered,
    EventsMissed,
    SubscriptionFailing,
    SubscriptionSuspended,
    SubscriptionResumed,
)

__all__ = [
    "EVENT_TYPES",
    "MAX_FAILED_TASKS_BYTES",
    "MAX_TEXT",
    "MAX_WHOLE",
    "NAMESPACE",
    "SOURCE_PREFIX",
    "DataSourceRefreshFailed",
    "DataSourceRefreshSucceeded",
    "Error",
    "Event",
    "EventData",
    "EventsMissed",
    "FailedTask",
    "MeasureThresholdCrossed",
    "Name",
    "Notice",
    "Number",
    "Outcome",
    "PollingError",
    "PollingFailed",
    "PollingRecovered",
    "RunCompleted",
    "SegmentThresholdCrossed",
    "SubscriptionFailing",
    "SubscriptionNotice",
    "SubscriptionResumed",
    "SubscriptionSuspended",
    "SystemRefreshCompleted",
    "Text",
    "ThresholdCrossed",
    "UnificationRefreshCompleted",
    "UnificationStep",
    "Wire",
    "in_utc",
    "json_number",
    "json_text",
    "trace_context",
]
