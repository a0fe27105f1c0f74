"""The parameters of paths."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Path(BaseModel):
    """Parameters of a path; their names are camelCase there."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class InInstance(Path):
    """Something in an instance."""

    instance_id: Name = Field(
        title="Environment", description="The id of the Customer Insights environment, as List environments gives it."
    )


class SegmentPath(InInstance):
    """A segment."""

    name: Name = Field(title="Segment", description="The name of the segment, which is not its display name.")


class MeasurePath(InInstance):
    """A measure."""

    name: Name = Field(title="Measure", description="The name of the measure, which is not its display name.")


class JobPath(InInstance):
    """A job."""

    job_id: Name = Field(title="Job", description="The id of the job, as List jobs or Start a refresh gives it.")


class TablePath(InInstance):
    """A table."""

    table: Name = Field(title="Table", description="The qualified name of the table, as List tables gives it.")


class ItemPath(TablePath):
    """A row of a table."""

    item_id: Key = Field(title="Item id", description="The value of the row's key column, as Get items gives it.")


class PartitionPath(TablePath):
    """A partition of a table."""

    partition: Name = Field(title="Partition", description="The name of the partition, as List partitions gives it.")


class TriggerPath(Path):
    """A trigger."""

    trigger: str = Field(title="Trigger", description="The trigger, for example segment-threshold-crossed.")


class SubscriptionPath(TriggerPath):
    """A subscription of a trigger."""

    id: Key = Field(title="Subscription id", description="The id of the subscription.")


class ChosenSubscriptionPath(TriggerPath):
    """A subscription with an id that the caller chooses."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        title="Subscription id", description="An id of your own: up to 64 letters, digits, dots, underscores, hyphens."
    )


class AnySubscriptionPath(Path):
    """A subscription, whatever its trigger."""

    id: Key = Field(title="Subscription id", description="The id of the subscription, as List subscriptions gives it.")


class DeliveryPath(AnySubscriptionPath):
    """A delivery: an event for a subscription."""

    event_id: Key = Field(title="Event id", description="The id of the event, as List deliveries gives it.")


class EventPath(Path):
    """An event."""

    event_id: Key = Field(title="Event id", description="The id of the event, as List events gives it.")


class DeadLetterPath(Path):
    """A dead letter."""

    id: Key = Field(title="Dead letter id", description="The id of the dead letter, as List dead letters gives it.")


class TokenPath(Path):
    """The capability to end a subscription."""

    # Without limits: the answer is always the same, so that it tells nobody which tokens exist.
    token: str = Field(title="Token", description="The token from the Location header of the subscribe answer.")


class EventTypePath(Path):
    """An event type."""

    event_type: Name = Field(title="Event type", description="The event type.")
