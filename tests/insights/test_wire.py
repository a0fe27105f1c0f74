import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import resources
from shared.domain.resources import Fault, Job, Measure, Segment
from shared.insights import catalog_wire, wire
from shared.insights.reading import Omissions, Reader
from shared.insights.spelling import _SPELLINGS, spelled


def job(**fields: object) -> Job:
    (read,) = wire.JOBS.all([json.dumps([{"jobId": "a", **fields}]).encode()], "test", Omissions())
    return read


def fault(**fields: object) -> Fault | None:
    (task,) = job(tasks=[fields]).tasks or ()
    return task.error


def measure(**fields: object) -> Measure:
    (read,) = wire.MEASURES.all([json.dumps([{"name": "a", **fields}]).encode()], "test", Omissions())
    return read


def value(values: object) -> Decimal | None:
    output = measure(output={"values": values}).output
    return None if output is None else output.value


@given(
    time=st.datetimes(datetime(1900, 1, 2), datetime(9998, 12, 30)),  # noqa: DTZ001 - Hypothesis wants naive bounds
    offset=st.none() | st.integers(-14 * 60, 14 * 60),
    digits=st.integers(0, 7),
)
def test_a_time_means_the_same_however_it_is_written(time: datetime, offset: int | None, digits: int) -> None:
    fraction = f"{time.microsecond:06}0"[:digits]
    zone = "" if offset is None else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    written = time.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + zone
    microsecond = int(fraction.ljust(6, "0")[:6])
    expected = time.replace(microsecond=microsecond, tzinfo=timezone(timedelta(minutes=offset or 0)))
    read = job(endTimestamp=written).ended_at
    assert read == expected
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-08-01T01:02:03.1234567Z", datetime(2026, 8, 1, 1, 2, 3, 123456, tzinfo=UTC)),
        ("2026-08-01T01:02:03+02:00", datetime(2026, 7, 31, 23, 2, 3, tzinfo=UTC)),
        ("2026-08-01T01:02:03", datetime(2026, 8, 1, 1, 2, 3, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1899-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59.9999999", None),
        ("9999-12-31T23:59:59-12:00", None),
        (None, None),
    ],
)
def test_times_and_what_dotnet_writes_for_none(written: str | None, read: datetime | None) -> None:
    assert job(endTimestamp=written).ended_at == read


@given(known=st.sampled_from(sorted(_SPELLINGS.values())), upper=st.lists(st.booleans(), min_size=30, max_size=30))
def test_a_known_value_has_one_spelling(known: str, upper: list[bool]) -> None:
    written = "".join(letter.upper() if up else letter.lower() for letter, up in zip(known, upper, strict=False))
    assert spelled(written) == known


@given(st.text().filter(lambda text: text.lower() not in _SPELLINGS))
def test_an_unknown_value_stays_as_it_came(text: str) -> None:
    assert spelled(text) == text


def test_the_domain_uses_the_same_spelling() -> None:
    constants = [text for name, text in vars(resources).items() if name.isupper() and name != "UNKNOWN"]
    assert constants
    assert [spelled(text.upper()) for text in constants] == constants


@pytest.mark.parametrize(
    "field", ["jobStatus", "operationType", "jobSubmissionKind", "jobType", "endTimestamp", "tasks"]
)
def test_what_is_missing_may_also_be_null(field: str) -> None:
    assert job(**{field: None}) == job()


def test_a_job_without_tasks_differs_from_one_whose_tasks_were_not_given() -> None:
    assert job(tasks=[]).tasks == ()
    assert job().tasks is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"ciError": None, "ciErrors": []}, None),
        ({"ciError": {}, "ciErrors": [{}]}, None),
        ({"ciError": {"errorCode": 42}}, Fault(code="42")),
        ({"ciError": {"message": "a"}, "ciErrors": [{"message": "b"}]}, Fault(message="a")),
        ({"ciError": {}, "ciErrors": [{}, {"message": "b"}]}, Fault(message="b")),
        (
            {"ciErrors": [{"errorCode": "A", "resultSeverity": "ERROR", "exceptionCulprit": "User", "message": "m"}]},
            Fault("A", "m", "user", "error"),
        ),
        (
            {
                "ciError": {
                    "errorCode": "A",
                    "ciResults": [{}, {"errorCode": "B", "message": "m", "exceptionCulprit": "x"}],
                }
            },
            Fault("A", "m", "x"),
        ),
        ({"ciError": {"ciResults": [{"ciResults": [{"message": "deep"}]}]}}, Fault(message="deep")),
        (
            {
                "ciErrors": [
                    {"message": "slow", "resultSeverity": "Warning"},
                    {"message": "gone", "resultSeverity": "Error"},
                    {"message": "later", "resultSeverity": "Error"},
                ]
            },
            Fault(message="gone", severity="error"),
        ),
        (
            {"ciErrors": [{"message": "try", "resultSeverity": "recommendation"}, {"message": "of no severity"}]},
            Fault(message="of no severity"),
        ),
        (
            {
                "ciErrors": [
                    {"message": "try", "resultSeverity": "recommendation"},
                    {"message": "w", "resultSeverity": "warning"},
                ]
            },
            Fault(message="w", severity="warning"),
        ),
    ],
)
def test_the_fault_of_a_task(fields: dict[str, Any], expected: Fault | None) -> None:
    assert fault(**fields) == expected


@pytest.mark.parametrize(
    ("definition", "scalar"),
    [
        (None, False),
        ({}, False),
        ({"isScalar": True}, True),
        ({"isScalar": True, "dimensions": None}, True),
        ({"isScalar": True, "dimensions": [{"field": "Country"}]}, False),
        ({"isScalar": False, "isManualQueryScalar": True, "dimensions": []}, True),
        ({"isScalar": False, "isManualQueryScalar": False}, False),
    ],
)
def test_which_measures_are_scalar(definition: object, scalar: bool) -> None:  # noqa: FBT001 - the expected value
    assert measure(definition=definition).scalar is scalar


@pytest.mark.parametrize(
    ("values", "number"),
    [
        ({"Total": "900.50"}, "900.50"),
        ({"Total": "1E+3"}, "1E+3"),
        ({"Total": " -0.1 "}, "-0.1"),
        ({"Total": "123456789012345678901234567890.123456789"}, "123456789012345678901234567890.123456789"),
        ({"Total": 900}, "900"),
        ({"Total": 0.1}, "0.1"),
        ({"Total": "5", "Name": "abc", "None": None, "Yes": True, "List": []}, "5"),
        ({"Total": "5", "Other": "6"}, None),
        ({"Total": "NaN"}, None),
        ({"Total": "Infinity"}, None),
        ({"Total": float("inf")}, None),
        ({"Total": float("nan")}, None),
        ({"Total": "1_000"}, None),
        ({"Total": "1,234"}, None),
        ({"Total": "٣"}, None),
        ({"Total": "1E+999999999"}, None),
        ({"Total": ""}, None),
        ({"Total": "."}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_one_number_of_an_output(values: object, number: str | None) -> None:
    read = value(values)
    assert str(read) == str(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_decimal_arrives_digit_by_digit(number: Decimal) -> None:
    assert str(value({"Total": str(number)})) == str(number)


@given(st.text())
def test_no_text_breaks_an_output(text: str) -> None:
    read = value({"Total": text})
    assert read is None or read.is_finite()


def segments(count: object) -> list[Segment]:
    body = json.dumps([{"name": "a", "evaluationStatus": {"entityCount": count}}]).encode()
    return wire.SEGMENTS.all([body], "test", Omissions())


@pytest.mark.parametrize(
    ("count", "read"),
    [
        (0, 0),
        (900, 900),
        ("900", 900),
        (None, None),
        (2**40, 2**40),
        (10000.0, 10000),
        ("10000.0", 10000),
        ("1e4", 10000),
        ("1E+4", 10000),
        (" 900 ", 900),
        ("+900", 900),
        ("0900", 900),
        (-0.0, 0),
        (2**70, 2**70),
    ],
)
def test_counts(count: object, read: int | None) -> None:
    (segment,) = segments(count)
    assert segment.latest is not None
    assert segment.latest.count == read


@pytest.mark.parametrize(
    "count",
    [-1, 0.5, "many", "-1", "", True, [], {}, "900.5", "1e30", "1e-3", "1,000", "1_000", "٣", "0x10", "NaN", "True"],
)
def test_what_is_no_count_makes_a_segment_unreadable(count: object) -> None:
    assert segments(count) == []


def count(reader: Reader[Any, Any], *items: object) -> int:
    return len(reader.all([json.dumps(items).encode()], "test", Omissions()))


@pytest.mark.parametrize("spelled", ["2A9F", "{2a9f}", " 2a9F\t", "{2A9F} "])
def test_what_a_list_shows_twice_in_two_spellings_counts_once(spelled: str) -> None:
    assert count(wire.INSTANCES, {"instanceId": "2a9f"}, {"instanceId": spelled}) == 1
    assert count(wire.DATA_SOURCES, {"dataSourceId": "2a9f"}, {"dataSourceId": spelled}) == 1
    assert count(wire.JOBS, {"jobId": "2a9f"}, {"jobId": spelled}) == 1
    nodes = [{"operationType": "merge", "identifier": spelled}, {"operationType": "Merge", "identifier": "2a9f"}]
    assert count(wire.NODES, *nodes, {"operationType": "match", "identifier": spelled}) == 2


@pytest.mark.parametrize("blank", ["", " ", "{}", " { } ", "\t\n"], ids=repr)
@pytest.mark.parametrize(
    ("reader", "key"),
    [
        *((reader, "instanceId") for reader in (wire.INSTANCES, catalog_wire.INSTANCES)),
        *((reader, "dataSourceId") for reader in (wire.DATA_SOURCES, catalog_wire.DATA_SOURCES)),
        *((reader, "jobId") for reader in (wire.JOBS, catalog_wire.JOBS)),
        (wire.NODES, "identifier"),
    ],
)
def test_what_is_blank_is_no_id(reader: Reader[Any, Any], key: str, blank: str) -> None:
    items = [{"operationType": "merge", key: value} for value in (blank, " {A} ")]
    assert len(reader.all([json.dumps(items).encode()], "here", Omissions())) == 1
