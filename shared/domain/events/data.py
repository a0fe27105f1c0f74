"""What every type of event has: what it is called, a sample, and how a flow subscribes to it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, computed_field

from shared.domain.events.filters import Filters
from shared.domain.events.wire import MAX_SUMMARY, Wire


def _described(summary: dict[str, Any]) -> None:
    """Say what a reader needs to know of a summary, which is not that it is made from the other fields."""
    summary.pop("readOnly", None)
    summary["maxLength"] = MAX_SUMMARY


class EventData(Wire):
    """The data of one event; subclasses say which type it is, and what a subscriber may ask for.

    `slug` names the type's trigger in routes.
    """

    event_type: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    sample: ClassVar[Mapping[str, Any]]
    slug: ClassVar[str]
    filters: ClassVar[type[Filters]]

    instance_id: str = Field(title="Environment id", description="The id of the Customer Insights environment.")
    test: Literal[True] | None = Field(default=None, description="Set on a sample event only.")

    @property
    def subject(self) -> str:
        """What the event is about, within its instance."""
        raise NotImplementedError

    @computed_field(  # type: ignore[prop-decorator]  # as Pydantic documents it
        description="What happened, in one sentence that people can be shown.",
        json_schema_extra=_described,
    )
    @property
    def summary(self) -> str:
        """It in a sentence."""
        raise NotImplementedError

    def on_wire(self) -> dict[str, Any]:
        """It as JSON values, as an event holds it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def example(cls) -> dict[str, Any]:
        """The sample as JSON values, as an event holds it."""
        return cls.model_validate(cls.sample).on_wire()
