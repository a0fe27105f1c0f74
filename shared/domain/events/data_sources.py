"""Data sources: what their refreshes tell."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from shared.domain import ids
from shared.domain.events.data import EventData
from shared.domain.events.filters import ANY, Asked, Filters, or_any
from shared.domain.events.overdue import Overdue, OverdueFilters
from shared.domain.events.wire import Error, Text, Warned, because, sentence, warning
from shared.domain.rules import AgeRule


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


class DataSourceOverdueFilters(OverdueFilters):
    """The data source and the age to watch."""

    data_source_id: Asked = Field(
        title="Data source", description="The one data source whose last successful refresh must not get too old."
    )

    def asked(self) -> Mapping[str, Any]:
        """The data source by its key."""
        return {**super().asked(), "dataSourceId": ids.key(self.data_source_id)}

    def rule(self, rule_id: str) -> AgeRule:
        """The rule on the data source."""
        return AgeRule(rule_id, self.max_age_hours, ids.key(self.data_source_id))


class OfDataSource(EventData):
    """What is told of a data source."""

    data_source_id: str = Field(description="The data source.")
    name: Text | None = Field(default=None, description="Its name.")
    friendly_name: Text | None = Field(default=None, description="Its name as people see it.")

    @property
    def subject(self) -> str:
        """The data source."""
        return f"data-sources/{self.data_source_id}"

    @property
    def called(self) -> str:
        """The data source as people call it."""
        return self.friendly_name or self.name or self.data_source_id


class DataSourceRefreshed(OfDataSource):
    """What the end of a refresh tells, whatever its outcome."""

    kind: Text | None = Field(default=None, description="How it is connected, for example powerQuery.")
    completed_at: AwareDatetime | None = Field(default=None, description="When the refresh ended (UTC).")
    job_id: str | None = Field(default=None, description="The job that refreshed it, where known.")
    submission_kind: Text | None = Field(default=None, description="scheduled or onDemand, where known.")


class DataSourceRefreshSucceeded(DataSourceRefreshed):
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

    warnings: Sequence[Warned] | None = Field(
        default=None, description="What Customer Insights warns of, where it completed with warnings."
    )

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the refresh succeeded.{warning(self.warnings)}")


class DataSourceRefreshFailed(DataSourceRefreshed):
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

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the refresh failed.{because(self.error)}")


class DataSourceCredentialsExpired(OfDataSource):
    """A data source asks for new credentials."""

    event_type = "CustomerInsights.DataSource.CredentialsExpired"
    title = "When the credentials of a data source expire"
    description = "A data source asks for new credentials; until it has them, it is not refreshed."
    slug = "data-source-credentials-expired"
    filters = DataSourceFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "dataSourceId": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
        "name": "Sales",
        "friendlyName": "Sales (Dynamics 365)",
        "kind": "powerQuery",
    }

    kind: Text | None = Field(default=None, description="How it is connected, for example powerQuery.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(f"{self.called}: the data source asks for new credentials.")


class DataSourceRefreshOverdue(OfDataSource, Overdue):
    """A data source was not refreshed for longer than a subscriber allows."""

    event_type = "CustomerInsights.DataSource.RefreshOverdue"
    title = "When a data source refresh is overdue"
    description = "A data source was not refreshed with success for more hours than you allow."
    slug = "data-source-refresh-overdue"
    filters = DataSourceOverdueFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "dataSourceId": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
        "name": "Sales",
        "friendlyName": "Sales (Dynamics 365)",
        "lastCompletedAt": "2026-11-18T03:12:45Z",
        "maxAgeHours": 26,
        "ruleId": "a17e3c5b9d2f4e60",
    }

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return self.overdue(f"{self.called}: the data source was not refreshed")
