"""Events: one model each, whose sample, schema and wire form agree; ids that tell occurrences apart."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events.data import EventData
from shared.domain.events.data_sources import DataSourceRefreshFailed
from shared.domain.events.envelope import Event
from shared.domain.events.wire import json_number
from shared.domain.triggers import TRIGGERS

TYPES = [trigger.data for trigger in TRIGGERS.values()]
T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
JSON_TYPES = {"string": str, "number": (int, float), "integer": int, "array": list, "object": dict, "boolean": bool}


def check(value: object, schema: dict[str, object], definitions: dict[str, dict[str, object]]) -> None:  # noqa: C901 - one branch for each keyword
    """Validate against the part of JSON Schema that the models use."""
    if isinstance(reference := schema.get("$ref"), str):
        check(value, definitions[reference.rpartition("/")[2]], definitions)
        return
    if isinstance(options := schema.get("anyOf"), list):
        problems = 0
        for option in options:
            try:
                check(value, option, definitions)
            except AssertionError:
                problems += 1
        assert problems < len(options), value
        return
    if schema.get("type") == "null":
        assert value is None
        return
    if isinstance(kind := schema.get("type"), str):
        assert isinstance(value, JSON_TYPES[kind]), (value, kind)
    if isinstance(values := schema.get("enum"), list):
        assert value in values
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert isinstance(known, dict)
        required = schema.get("required", [])
        assert isinstance(required, list)
        assert set(required) <= set(value)
        if schema.get("additionalProperties") is False:
            assert set(value) <= set(known)
        for key, part in value.items():
            check(part, known.get(key, {}), definitions)
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for item in value:
            check(item, items, definitions)


@pytest.mark.parametrize("model", TYPES, ids=lambda m: m.event_type)
def test_a_sample_fits_its_model_and_its_schema(model: type[EventData]) -> None:
    sample = json.loads(json.dumps(model.example()))
    assert sample == {**model.sample, "summary": sample["summary"]}
    schema = model.model_json_schema(mode="serialization", by_alias=True)
    check(sample, schema, schema.get("$defs", {}))


@pytest.mark.parametrize("model", TYPES, ids=lambda m: m.event_type)
def test_a_type_is_described_for_people(model: type[EventData]) -> None:
    assert model.title.startswith("When ")
    assert model.description.endswith(".")
    assert all(field.description for name, field in model.model_fields.items() if name != "steps")


@pytest.mark.parametrize("model", TYPES, ids=lambda m: m.event_type)
def test_an_event_is_a_cloud_event_that_reads_back_the_same(model: type[EventData]) -> None:
    event = Event.of(model.model_validate(model.sample), time=T0, occurrence=["x"])
    assert Event.parse(json.loads(event.encode())) == event
    raw = event.raw
    assert (raw["specversion"], raw["type"], raw["datacontenttype"]) == ("1.0", model.event_type, "application/json")
    assert raw["source"] == f"/customer-insights/instances/{model.sample['instanceId']}"
    assert raw["time"] == "2026-11-20T03:00:00Z"
    assert raw["data"] == model.example()


def test_half_a_character_stays_half_a_character() -> None:
    data = DataSourceRefreshFailed(instance_id="i1", data_source_id="d1", name="\ud83d, \ude00 and 😀")
    event = Event.of(data, time=T0, occurrence=["1"])
    sent = event.encode().encode()
    assert "😀".encode() in sent
    assert Event.parse(json.loads(sent)) == event


def test_the_types_are_those_of_the_triggers() -> None:
    assert {slug: trigger.event_type.removeprefix("CustomerInsights.") for slug, trigger in TRIGGERS.items()} == {
        "data-source-refresh-failed": "DataSource.RefreshFailed",
        "data-source-refresh-succeeded": "DataSource.RefreshSucceeded",
        "segment-threshold-crossed": "Segment.ThresholdCrossed",
        "measure-threshold-crossed": "Measure.ThresholdCrossed",
        "system-refresh-completed": "System.RefreshCompleted",
        "unification-refresh-completed": "Unification.RefreshCompleted",
        "stage-refresh-completed": "Stage.RefreshCompleted",
        "segment-refresh-failed": "Segment.RefreshFailed",
        "measure-refresh-failed": "Measure.RefreshFailed",
        "export-refresh-failed": "Export.RefreshFailed",
        "data-source-credentials-expired": "DataSource.CredentialsExpired",
        "segment-deactivated": "Segment.Deactivated",
        "data-source-refresh-overdue": "DataSource.RefreshOverdue",
        "system-refresh-overdue": "System.RefreshOverdue",
        "polling-failed": "Bridge.PollingFailed",
        "polling-recovered": "Bridge.PollingRecovered",
        "events-missed": "Bridge.EventsMissed",
        "subscription-failing": "Bridge.SubscriptionFailing",
        "subscription-suspended": "Bridge.SubscriptionSuspended",
        "subscription-resumed": "Bridge.SubscriptionResumed",
    }


@pytest.mark.parametrize("model", TYPES, ids=lambda m: m.event_type)
@given(text=st.text(max_size=500))
def test_a_summary_is_one_short_line_whatever_it_tells_of(model: type[EventData], text: str) -> None:
    texts = {name: text for name, value in model.sample.items() if name in {"friendlyName", "displayName", "label"}}
    error = {"error": {**model.sample["error"], "message": text}} if "error" in model.sample else {}
    summary = model.model_validate({**model.sample, **texts, **error}).summary
    assert 10 < len(summary) <= 200
    assert not [character for character in summary if unicodedata.category(character) == "Cc"]
    assert summary.endswith((".", "…")) or error


def test_an_id_names_type_instance_and_occurrence_and_nothing_else() -> None:
    def make(instance: str = "i1", name: str | None = None, *occurrence: str) -> str:
        data = DataSourceRefreshFailed(instance_id=instance, data_source_id="d1", name=name)
        return Event.of(data, time=T0, occurrence=occurrence).id

    same = make("i1", None, "a", "b")
    assert make("i1", "renamed", "a", "b") == same
    others = {make("i2", None, "a", "b"), make("i1", None, "ab"), make("i1", None, "a b"), make("i1", None, "b", "a")}
    assert len(others | {same}) == 5


def test_time_is_in_utc() -> None:
    data = DataSourceRefreshFailed(instance_id="i1", data_source_id="d1")
    event = Event.of(data, time=datetime(2026, 11, 20, 5, tzinfo=timezone(timedelta(hours=2))), occurrence=["a"])
    assert (event.raw["time"], event.time) == ("2026-11-20T03:00:00Z", T0)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("5", 5),
        ("5.0", 5),
        ("0.1", 0.1),
        ("1E+3", 1000),
        ("9007199254740992", 2**53),
        ("-2.5", -2.5),
        ("1E+400", 1.7976931348623157e308),
    ],
)
def test_numbers_go_out_as_json_numbers(value: str, number: float) -> None:
    written = json_number(Decimal(value))
    assert written == number
    assert type(written) is type(number)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_number_goes_out(value: Decimal) -> None:
    assert "Infinity" not in json.dumps(json_number(value))


GOOD = Event.of(DataSourceRefreshFailed(instance_id="i1", data_source_id="d1"), time=T0, occurrence=["a"]).raw


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "x",
        {},
        *(
            {key: value for key, value in GOOD.items() if key != gone}
            for gone in ("specversion", "id", "source", "type", "time", "data")
        ),
        {**GOOD, "specversion": "0.3"},
        {**GOOD, "id": ""},
        {**GOOD, "id": "a\r\nx: y"},
        {**GOOD, "id": "ä"},
        {**GOOD, "id": "a" * 129},
        {**GOOD, "time": "yesterday"},
        {**GOOD, "time": "2026-11-20T03:00:00"},
        {**GOOD, "data": None},
        {**GOOD, "data": {}},
        {**GOOD, "data": {"instanceId": 7}},
    ],
)
def test_what_is_no_event_of_ours_is_a_value_error(raw: object) -> None:
    with pytest.raises(ValueError, match="not a CloudEvent"):
        Event.parse(raw)


def test_a_trace_is_carried() -> None:
    assert Event.parse({**GOOD, "traceparent": "00-ab-cd-01"}).traceparent == "00-ab-cd-01"
    assert Event.parse({**GOOD, "traceparent": 7}).traceparent is None
    assert Event.parse(GOOD).traceparent is None
