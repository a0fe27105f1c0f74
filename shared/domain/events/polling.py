"""Polling: what the bridge tells when it cannot see what happens, when it can again, and what it has not seen."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from shared.domain.events.data import EventData
from shared.domain.events.filters import ANY, Filters, or_any
from shared.domain.events.wire import Text, Wire, clock, sentence

type FamilyName = Literal["jobs", "dataSources", "segments", "measures"]

# What people call a family.
_CALLED: Mapping[str, str] = {"dataSources": "data sources"}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class PollingFilters(Filters):
    """The family of resources to hear of; none: any."""

    any_instance = True

    family: FamilyName | None = Field(
        default=None,
        title="Kind of resource",
        description="Only jobs, dataSources, segments or measures; any when left out.",
    )

    def route(self) -> tuple[str, ...]:
        """The family, or any."""
        return (self.family or ANY,)

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """The event's own family, or any."""
        return or_any(str(data.get("family", ANY)))


class PollingNotice(EventData):
    """What all events about polling tell."""

    family: FamilyName = Field(description="What was polled: jobs, dataSources, segments or measures.")

    @property
    def subject(self) -> str:
        """The family."""
        return f"polling/{self.family}"

    @property
    def called(self) -> str:
        """The family as people call it."""
        return _CALLED.get(self.family, self.family)


class PollingError(Wire):
    """Why polls fail."""

    kind: Literal["transient", "configuration"] = Field(
        description="transient: it may pass by itself; configuration: somebody must act."
    )
    message: Text = Field(description="What goes wrong, in words.")


class PollingFailed(PollingNotice):
    """A family of an instance could not be polled for a while."""

    event_type = "CustomerInsights.Bridge.PollingFailed"
    title = "When polling fails"
    description = (
        "Customer Insights could not be asked for a while what is new. What happens meanwhile is told when it can be "
        "asked again."
    )
    slug = "polling-failed"
    filters = PollingFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "family": "dataSources",
        "failingSince": "2026-11-20T03:02:00Z",
        "error": {"kind": "transient", "message": "Customer Insights answers 503."},
    }

    failing_since: AwareDatetime = Field(description="When the first of the polls failed (UTC).")
    error: PollingError = Field(description="Why it fails, and whether somebody must act.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(
            f"The {self.called} of Customer Insights could not be read since {clock(self.failing_since)}. "
            f"{self.error.message}"
        )


class PollingRecovered(PollingNotice):
    """A family that could not be polled for a while was polled again."""

    event_type = "CustomerInsights.Bridge.PollingRecovered"
    title = "When polling works again"
    description = "Customer Insights could be asked again what is new, and what happened meanwhile has been found."
    slug = "polling-recovered"
    filters = PollingFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "family": "dataSources",
        "failingSince": "2026-11-20T03:02:00Z",
        "recoveredAt": "2026-11-20T03:41:00Z",
        "gapSeconds": 2340,
        "events": 3,
    }

    failing_since: AwareDatetime = Field(description="When the first of the polls had failed (UTC).")
    recovered_at: AwareDatetime = Field(description="When a poll succeeded again (UTC).")
    gap_seconds: float = Field(description="How long that was, in seconds.")
    events: int = Field(description="How many events were found that had happened meanwhile.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        gap = lasted(timedelta(seconds=self.gap_seconds))
        found = "1 event was" if self.events == 1 else f"{self.events} events were"
        return sentence(f"The {self.called} of Customer Insights can be read again, after {gap}. {found} found.")


class EventsMissed(PollingNotice):
    """After a gap the API no longer showed all that had happened in it."""

    event_type = "CustomerInsights.Bridge.EventsMissed"
    title = "When events were missed"
    description = "After a gap Customer Insights no longer shows all that happened in it: some of it is never told."
    slug = "events-missed"
    filters = PollingFilters
    sample: ClassVar[Mapping[str, Any]] = {
        "instanceId": "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11",
        "family": "jobs",
        "from": "2026-11-13T03:02:00Z",
        "to": "2026-11-20T03:41:00Z",
        "reason": "Customer Insights lists no job from before the gap any more.",
    }

    since: AwareDatetime = Field(alias="from", description="Up to when everything was seen (UTC).")
    until: AwareDatetime = Field(alias="to", description="From when on everything is seen again (UTC).")
    reason: Text = Field(description="Why it could not be seen.")

    @property
    def summary(self) -> str:
        """It in a sentence."""
        return sentence(
            f"What happened to the {self.called} between {clock(self.since)} and {clock(self.until)} was not all seen. "
            f"{self.reason}"
        )


def lasted(duration: timedelta) -> str:
    """A duration as people say it, in the largest unit that it fills."""
    seconds = int(duration.total_seconds())
    unit, length = next((one for one in _UNITS if seconds >= one[1]), _UNITS[-1])
    count = seconds // length
    return f"{count} {unit}{'' if count == 1 else 's'}"
