"""Data sources: what their refreshes tell."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from shared.domain import ids
from shared.domain.events.data import EventData
from shared.domain.events.filters import ANY, Asked, Filters, or_any
from shared.domain.events.wire import Error, Text


class DataSourceFilters(Filters):
    """The data source to watch; none: any."""

    data_source_id: Asked | None = Field(
        default=None, title="Data source", description="The one data source to hear of; any when left out."
    )

    def route(self) -> tuple[str, ...]:
        """The data source, or any."""
        return (ids.key(self.data_source_id) if self.data_source_id else ANY,)

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """The event's own data source, or any."""
        return or_any(ids.key(str(data.get("dataSourceId", ANY))))

    def asked(self) -> Mapping[str, Any]:
        """The data source by its key."""
        return {"dataSourceId": self.data_source_id and ids.key(self.data_source_id)}


class DataSourceRefreshSucceeded(EventData):
    """A data source's refresh ended in success."""

    event_type = "CustomerInsights.DataSource.RefreshSucceeded"
    title = "When a data source refresh succeeds"
    description = "A data source was refreshed, on schedule or on demand."
    slug = "data-source-refresh-succeeded"
    filters = DataSourceFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "dataSourceId": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
        "name": "Sales",
        "friendlyName": "Sales (Dynamics 365)",
        "kind": "powerQuery",
        "completedAt": "2026-11-20T03:12:45Z",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "submissionKind": "scheduled",
    }

    data_source_id: str = Field(description="The data source.")
    name: Text | None = Field(default=None, description="Its name.")
    friendly_name: Text | None = Field(default=None, description="Its name as people see it.")
    kind: Text | None = Field(default=None, description="How it is connected, for example powerQuery.")
    completed_at: AwareDatetime | None = Field(default=None, description="When the refresh ended (UTC).")
    job_id: str | None = Field(default=None, description="The job that refreshed it, where known.")
    submission_kind: Text | None = Field(default=None, description="scheduled or onDemand, where known.")

    @property
    def subject(self) -> str:
        """The data source."""
        return f"data-sources/{self.data_source_id}"


class DataSourceRefreshFailed(DataSourceRefreshSucceeded):
    """A data source's refresh ended in failure."""

    event_type = "CustomerInsights.DataSource.RefreshFailed"
    title = "When a data source refresh fails"
    description = "A data source could not be refreshed; the error says what is known of the reason."
    slug = "data-source-refresh-failed"
    filters = DataSourceFilters
    sample: ClassVar[Mapping[str, Any]] = {
        **DataSourceRefreshSucceeded.sample,
        "error": {
            "code": "DS42",
            "message": "The credentials have expired.",
            "culprit": "user",
            "severity": "error",
        },
    }

    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")
