"""Exports: what a failed one tells."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.domain import ids
from shared.domain.events.data import EventData
from shared.domain.events.filters import Asked, Choice
from shared.domain.events.wire import Error, Text, because, sentence


class ExportFilters(Choice):
    """The export to watch; none: any."""

    chosen = "export_id"

    export_id: Asked | None = Field(
        default=None,
        title="Export",
        description="The one export to hear of, by the identifier that Get the status gives; any when left out.",
    )

    @classmethod
    def spelled(cls, value: str) -> str:
        """The export by its key."""
        return ids.key(value)


class ExportRefreshFailed(EventData):
    """An export ended in failure."""

    event_type = "CustomerInsights.Export.RefreshFailed"
    title = "When an export fails"
    description = "An export to another system failed or timed out; the error says what is known of the reason."
    slug = "export-refresh-failed"
    filters = ExportFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "exportId": "e4a7d0c1-58b2-4c6f-9d3e-7b1a2c3d4e5f",
        "friendlyName": "Ads audience",
        "outcome": "failed",
        "completedAt": "2026-11-20T04:09:12Z",
        "jobId": "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "error": {
            "code": "EX7",
            "message": "The destination refused the sign-in.",
            "culprit": "external",
            "severity": "error",
        },
    }

    export_id: str = Field(description="The export.")
    friendly_name: Text | None = Field(default=None, description="Its name as people see it.")
    outcome: Literal["failed", "timedOut"] = Field(description="failed or timedOut.")
    completed_at: AwareDatetime | None = Field(default=None, description="When it ended (UTC).")
    job_id: str | None = Field(default=None, description="The job that it ran in, where known.")
    error: Error | None = Field(default=None, description="What Customer Insights says went wrong.")

    @property
    def subject(self) -> str:
        """The export."""
        return f"exports/{self.export_id}"

    @property
    def summary(self) -> str:
        """It in a sentence."""
        how = "timed out" if self.outcome == "timedOut" else "failed"
        return sentence(f"{self.friendly_name or self.export_id}: the export {how}.{because(self.error)}")
