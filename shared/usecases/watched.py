"""Watched: how many flows watch what the nodes of the refresh workflow work on."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from shared.domain import ids
from shared.domain.catalog import Node, Watchers
from shared.ports.subscriptions import SubscriptionStore

# The filter by which a flow names what a node of an operation works on. Customer Insights' own list of operations has
# three that measures may run under.
FILTERS: Mapping[str, str] = {
    "ingestion": "data_source_id",
    "segmentation": "segment_name",
    "measures": "measure_name",
    "entitymeasures": "measure_name",
    "attributemeasures": "measure_name",
    "export": "export_id",
}
ANY = ""


class Watched:
    """Counts the flows of an instance."""

    def __init__(self, *, subscriptions: SubscriptionStore) -> None:
        self._subscriptions = subscriptions

    async def __call__(self, instance_id: str, nodes: Sequence[Node]) -> Sequence[Node]:
        """The nodes, each with the flows that watch its data source, segment, measure or export."""
        found: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        async for subscription in self._subscriptions.all(instance_id):
            for name in set(FILTERS.values()) & type(subscription.filters).model_fields.keys():
                watched = getattr(subscription.filters, name)
                found[name, ids.key(watched) if watched else ANY][subscription.status] += 1

        def with_watchers(node: Node) -> Node:
            name = FILTERS.get((node.operation_type or "").casefold())
            if name is None or node.identifier is None:
                return node
            counts = found[name, ids.key(node.identifier)] + found[name, ANY]
            return node.model_copy(update={"subscriptions": Watchers.model_validate(counts)})

        return [with_watchers(node) for node in nodes]
