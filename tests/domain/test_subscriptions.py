"""Subscriptions: what may be asked for, which events are wanted, and when two wishes are the same."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.events.envelope import Event
from shared.domain.routes import routes_of
from shared.domain.subscriptions import derived_id
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from tests.usecases.world import subscription

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
URL = "https://prod-1.logic.azure.com/workflows/x?sig=S3CRET"
COMMON = {"callbackUrl": URL, "instanceId": "i1"}
SEGMENT = {**COMMON, "segmentName": "Big", "threshold": Decimal(10)}


def event(slug: str, **data: object) -> Event:
    model = TRIGGERS[slug].data
    return Event.of(model.model_validate({**model.sample, "instanceId": "i1", **data}), time=T0, occurrence=["x"])


def wish(slug: str, url: str = URL, instance: str = "i1", **filters: Any) -> Wish:  # noqa: ANN401 - any filter
    return Wish(TRIGGERS[slug], instance, TRIGGERS[slug].filters.model_validate(filters), url)


def test_defaults_are_as_documented() -> None:
    filters = TRIGGERS["segment-threshold-crossed"].body.model_validate(SEGMENT).model_dump(by_alias=True)
    assert (filters["direction"], filters["rearmMargin"], filters["label"]) == ("above", 0, None)
    runs = TRIGGERS["system-refresh-completed"].body.model_validate(COMMON).model_dump(by_alias=True)
    assert (runs["outcome"], runs["submissionKind"]) == ("any", "any")
    assert TRIGGERS["data-source-refresh-failed"].body.model_validate(COMMON).model_dump()["data_source_id"] is None


@pytest.mark.parametrize(
    ("slug", "body", "field"),
    [
        ("segment-threshold-crossed", {**SEGMENT, "threshold": "10"}, "threshold"),
        ("segment-threshold-crossed", {**SEGMENT, "threshold": True}, "threshold"),
        ("segment-threshold-crossed", {**SEGMENT, "threshold": Decimal("NaN")}, "threshold"),
        ("segment-threshold-crossed", {**SEGMENT, "threshold": Decimal("Infinity")}, "threshold"),
        ("segment-threshold-crossed", {**SEGMENT, "rearmMargin": Decimal(-1)}, "rearmMargin"),
        ("segment-threshold-crossed", {**SEGMENT, "direction": "sideways"}, "direction"),
        ("segment-threshold-crossed", {**SEGMENT, "segmentName": ""}, "segmentName"),
        ("segment-threshold-crossed", {**COMMON, "threshold": Decimal(1)}, "segmentName"),
        ("segment-threshold-crossed", {**COMMON, "segmentName": "Big"}, "threshold"),
        ("segment-threshold-crossed", {**SEGMENT, "measureName": "x"}, "measureName"),
        ("measure-threshold-crossed", SEGMENT, "measureName"),
        ("data-source-refresh-failed", {**COMMON, "outcome": "failed"}, "outcome"),
        ("system-refresh-completed", {**COMMON, "outcome": "exploded"}, "outcome"),
        ("unification-refresh-completed", {**COMMON, "submissionKind": "weekly"}, "submissionKind"),
        ("system-refresh-completed", {"instanceId": "i1"}, "callbackUrl"),
        ("system-refresh-completed", {"callbackUrl": URL}, "instanceId"),
        ("system-refresh-completed", {**COMMON, "label": "x" * 201}, "label"),
    ],
)
def test_what_is_wrong_is_named(slug: str, body: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        TRIGGERS[slug].body.model_validate(body)
    assert field in {str(error["loc"][0]) for error in wrong.value.errors()}


def test_a_body_and_a_wish_do_not_show_the_callback() -> None:
    assert "S3CRET" not in repr(TRIGGERS["segment-threshold-crossed"].body.model_validate(SEGMENT))
    assert "S3CRET" not in repr(wish("data-source-refresh-failed"))
    assert "sig=secret" not in repr(subscription())


@pytest.mark.parametrize(
    ("filters", "data", "wanted"),
    [
        ({}, {"dataSourceId": "d1"}, True),
        ({"dataSourceId": "d1"}, {"dataSourceId": "d1"}, True),
        ({"dataSourceId": "d2"}, {"dataSourceId": "d1"}, False),
        ({}, {"dataSourceId": "d1", "instanceId": "i2"}, False),
        ({"dataSourceId": "d1"}, {"dataSourceId": "any"}, False),
    ],
)
def test_a_data_source_subscription_wants(filters: dict[str, Any], data: dict[str, object], *, wanted: bool) -> None:
    slug = "data-source-refresh-failed"
    mine, happened = subscription(slug=slug, **filters), event(slug, **data)
    assert mine.wants(happened) is wanted
    assert any(route.partition == mine.route.partition for route in routes_of(happened)) is wanted
    assert not mine.wants(event("data-source-refresh-succeeded", **data))


@pytest.mark.parametrize("slug", ["system-refresh-completed", "unification-refresh-completed"])
@pytest.mark.parametrize("outcome", ["any", "succeeded", "failed", "timedOut", "canceled", "skipped"])
@pytest.mark.parametrize("kind", ["any", "scheduled", "onDemand"])
def test_a_run_subscription_wants_its_outcome_and_kind(slug: str, outcome: str, kind: str) -> None:
    mine = subscription(slug=slug, outcome=outcome, submissionKind=kind)
    for happened in ("succeeded", "failed", "timedOut", "canceled", "skipped"):
        for how in ("scheduled", "onDemand", None):
            wanted = outcome in ("any", happened) and kind in ("any", how)
            assert mine.wants(event(slug, outcome=happened, submissionKind=how)) is wanted


def test_a_threshold_subscription_wants_its_own_rules_events_only() -> None:
    mine = subscription(slug="segment-threshold-crossed", rule_id="r1", segmentName="Big", threshold=Decimal(10))
    assert mine.wants(event("segment-threshold-crossed", ruleId="r1"))
    assert not mine.wants(event("segment-threshold-crossed", ruleId="r2"))
    assert mine.rule is not None
    assert (mine.rule.id, mine.rule.name, mine.rule.threshold) == ("r1", "Big", Decimal(10))


def test_an_event_of_another_type_has_no_route() -> None:
    other = event("system-refresh-completed")
    assert routes_of(Event.parse({**other.raw, "type": "Other"})) == ()


def test_the_same_wish_has_the_same_fingerprint() -> None:
    def big(threshold: str) -> str:
        return wish("segment-threshold-crossed", segmentName="Big", threshold=Decimal(threshold)).fingerprint

    assert big("10") == big("10.0") == big("1E+1")
    assert big("0") == big("-0") == big("0.00")
    assert "S3CRET" not in big("10")
    assert len(derived_id(big("10"))) == 32


def test_every_other_wish_has_another_fingerprint() -> None:
    def big(**more: Any) -> Wish:  # noqa: ANN401 - any filter
        return wish("segment-threshold-crossed", **{"segmentName": "Big", "threshold": Decimal(10), **more})

    others = [
        big(),
        big(threshold=Decimal(11)),
        big(segmentName="Small"),
        big(direction="either"),
        big(rearmMargin=Decimal(1)),
        big(url=URL + "x"),
        big(instance="i2"),
        wish("measure-threshold-crossed", measureName="Big", threshold=Decimal(10)),
    ]
    assert len({other.fingerprint for other in others}) == len(others)


@pytest.mark.parametrize(("one", "other"), [("0.1", "0.10000000000000001"), ("9007199254740995", "9007199254740996")])
def test_thresholds_that_a_float_cannot_tell_apart_are_two_wishes(one: str, other: str) -> None:
    first, second = (
        wish("measure-threshold-crossed", measureName="Sum", threshold=Decimal(text)).fingerprint
        for text in (one, other)
    )
    assert first != second
