from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.catalog import Listing, Measure, Node, Segment, TableDetail
from triggers.operations import shown

AT = datetime(2026, 8, 1, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Segment(name="s"), {"name": "s"}),
        (Segment(name="s", member_count=0, evaluated_at=AT), {"memberCount": 0, "evaluatedAt": "2026-08-01T01:02:03Z"}),
        (Measure(name="m", scalar=True, value=Decimal("900.50")), {"scalar": True, "value": 900.5}),
        (Measure(name="m", scalar=True, value=Decimal(900)), {"value": 900}),
        (Node(status="failed"), {"status": "failed", "jobIds": []}),
        (
            TableDetail(name="t", qualified_name="s_t", columns=[], row_schema={"type": "object"}),
            {"qualifiedName": "s_t", "columns": [], "keys": [], "rowSchema": {"type": "object"}},
        ),
    ],
    ids=repr,
)
def test_shows_camel_case_and_leaves_out_what_has_no_value(model: Any, expected: dict[str, object]) -> None:  # noqa: ANN401 - any model
    body: Any = shown(model)
    assert {key: body[key] for key in expected} == expected
    assert None not in body.values()


def test_a_list_answer_holds_its_items_under_value() -> None:
    assert shown(Listing[Segment](value=[Segment(name="a"), Segment(name="b")])) == {
        "value": [{"name": "a"}, {"name": "b"}]
    }
    assert shown(Listing[Segment](value=[])) == {"value": []}
