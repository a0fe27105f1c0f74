"""Watched: each node of the status tells how many flows watch what it works on."""

from decimal import Decimal

import pytest

from shared.domain.catalog import Node, Watchers
from shared.usecases.watched import Watched
from tests.fakes import SubscriptionStoreFake
from tests.usecases.world import subscription

SEGMENT = "segment-threshold-crossed"
STORE = SubscriptionStoreFake(
    subscription(id_="a", dataSourceId="D1"),
    subscription(id_="b", slug="data-source-refresh-failed", dataSourceId="{d1}", status="failing"),
    subscription(id_="c", slug="data-source-refresh-failed", status="suspended"),
    subscription(id_="d", slug=SEGMENT, segmentName="Gold", threshold=Decimal(1), rule_id="r4"),
    subscription(id_="e", slug="measure-threshold-crossed", measureName="Gold", threshold=Decimal(1), rule_id="r5"),
    subscription(id_="f", slug="system-refresh-completed"),
)


@pytest.mark.parametrize(
    ("operation", "identifier", "expected"),
    [
        ("ingestion", "d1", Watchers(active=1, failing=1, suspended=1)),
        ("Ingestion", "other", Watchers(suspended=1)),
        ("segmentation", "Gold", Watchers(active=1)),
        ("segmentation", "Silver", Watchers()),
        ("measures", "Gold", Watchers(active=1)),
        ("export", "x1", Watchers()),
        ("merge", "Gold", None),
        ("segmentation", None, None),
        (None, "Gold", None),
    ],
)
async def test_who_watches_what_a_node_works_on(
    operation: str | None, identifier: str | None, expected: Watchers | None
) -> None:
    node = Node(operation_type=operation, identifier=identifier)
    (found,) = await Watched(subscriptions=STORE)("i1", [node])
    assert found == node.model_copy(update={"subscriptions": expected})
    (elsewhere,) = await Watched(subscriptions=STORE)("i2", [node])
    assert elsewhere.subscriptions in {None, Watchers()}
