"""Triggers: what a flow can subscribe to, one for each type of event, made from what the type says of itself."""

from dataclasses import dataclass
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, create_model
from pydantic.alias_generators import to_camel

from shared.domain.events import EVENT_TYPES
from shared.domain.events.data import EventData
from shared.domain.events.filters import Asked, Filters


class Body(BaseModel):
    """The part of a subscribe request's body that all triggers share."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    callback_url: Annotated[str, StringConstraints(min_length=1)] = Field(
        repr=False, description="The flow's callback URL."
    )
    instance_id: Asked = Field(
        title="Environment", description="The id of the Customer Insights environment, as List environments gives it."
    )
    label: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="A name by which people find the flow in the list of subscriptions."
    )
    signed: StrictBool = Field(
        default=False, description="Whether each delivery is to bear a signature, which shows that the bridge made it."
    )


class AnywhereBody(Body):
    """The same, of triggers that may be for all instances at once."""

    instance_id: Asked = Field(
        title="Environment",
        description="The id of the Customer Insights environment, as List environments gives it; * for all of them.",
    )


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a flow can subscribe to; `body` is what a flow sends to subscribe."""

    data: type[EventData]
    body: type[Body]

    @property
    def slug(self) -> str:
        """Its name in routes."""
        return self.data.slug

    @property
    def filters(self) -> type[Filters]:
        """What its subscribers may ask for."""
        return self.data.filters

    @property
    def event_type(self) -> str:
        """The type of the events it brings."""
        return self.data.event_type


def _trigger(data: type[EventData]) -> Trigger:
    body = AnywhereBody if data.filters.any_instance else Body
    bases = cast("tuple[type[Body], ...]", (body, data.filters))
    return Trigger(data, create_model(f"{data.__name__}Body", __base__=bases))


TRIGGERS = {data.slug: _trigger(data) for data in EVENT_TYPES}
TRIGGERS_BY_EVENT_TYPE = {trigger.event_type: trigger for trigger in TRIGGERS.values()}
