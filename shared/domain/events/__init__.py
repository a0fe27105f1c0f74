"""The typed events, one file a family: each type's name, data, title, description, sample and filters stand there once.

Everything that shows an event type (catalog, connector, docs) is made from these models.
"""

from shared.domain.events.data import EventData
from shared.domain.events.data_sources import (
    DataSourceCredentialsExpired,
    DataSourceRefreshFailed,
    DataSourceRefreshOverdue,
    DataSourceRefreshSucceeded,
)
from shared.domain.events.exports import ExportRefreshFailed
from shared.domain.events.jobs import (
    StageRefreshCompleted,
    SystemRefreshCompleted,
    SystemRefreshOverdue,
    UnificationRefreshCompleted,
)
from shared.domain.events.measures import MeasureRefreshFailed, MeasureThresholdCrossed
from shared.domain.events.polling import EventsMissed, PollingFailed, PollingRecovered
from shared.domain.events.segments import SegmentDeactivated, SegmentRefreshFailed, SegmentThresholdCrossed
from shared.domain.events.subscriptions import SubscriptionFailing, SubscriptionResumed, SubscriptionSuspended

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
    PollingFailed,
    PollingRecovered,
    EventsMissed,
    SubscriptionFailing,
    SubscriptionSuspended,
    SubscriptionResumed,
)
