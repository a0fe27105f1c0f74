"""Routes: the place where an event's subscribers are found by reading nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.domain import ids
from shared.domain.events.envelope import Event
from shared.domain.triggers import TRIGGERS_BY_EVENT_TYPE, Trigger


class Route(NamedTuple):
    """Where subscriptions to an event stand: a partition, and in it all rows or, for a rule's event, its own."""

    partition: tuple[str, ...]
    row: str | None = None


def rules_partition(trigger: Trigger, instance_id: str) -> tuple[str, ...]:
    """Where all rules of a trigger stand that has the poll watch something."""
    return (trigger.slug, ids.key(instance_id))


def routes_of(event: Event) -> Sequence[Route]:
    """All places where subscriptions to an event can stand; none for a type that is no trigger's."""
    trigger = TRIGGERS_BY_EVENT_TYPE.get(event.type)
    if trigger is None:
        return ()
    filters, named = trigger.filters, ids.key(event.instance_id)
    instances = dict.fromkeys((named, ids.EVERY_INSTANCE) if filters.any_instance else (named,))
    row = filters.row(event.data)
    return [Route((trigger.slug, one, *met), row) for one in instances for met in filters.met(event.data)]
