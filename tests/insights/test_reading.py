import copy
import itertools
import json
import logging
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any, override

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.resources import Job, Segment
from shared.insights import catalog_wire, wire
from shared.insights.reading import MalformedAnswerError, Omissions, Reader

FAULT = {"errorCode": "E1", "message": "m", "exceptionCulprit": "user", "ciResults": []}
TASK = {"taskId": "t1", "taskStatus": "failed", "operationType": "merge", "jobIds": ["j1"], "ciErrors": [FAULT]}
TIME = "2026-08-01T01:02:03.1234567Z"
RESULT = {"jobStatus": "CompletedSuccess", "evaluationDate": TIME, "entityCount": 5}
OUTPUT = {"values": {"Total": "1"}, "evaluationTime": TIME}

ITEMS: list[tuple[Reader[Any, Any], dict[str, Any]]] = [
    (wire.INSTANCES, {"instanceId": "a", "name": "A"}),
    (wire.DATA_SOURCES, {"dataSourceMetadata": {"dataSourceId": "a", "name": "A", "lastRefresh": TIME}}),
    (wire.NODES, {"operationType": "merge", "identifier": "a", "jobIds": ["j1"], "ciError": FAULT}),
    (wire.JOBS, {"jobId": "a", "jobStatus": "failed", "submittedTimestamp": TIME, "tasks": [TASK, TASK]}),
    (wire.SEGMENTS, {"name": "a", "evaluationStatus": RESULT, "evaluationStatusHistory": [RESULT, RESULT]}),
    (wire.MEASURES, {"name": "a", "definition": {"dimensions": [1]}, "output": OUTPUT, "outputHistory": [OUTPUT]}),
]
# What names the item, so that neighbours differ from it.
IDS = {"instanceId", "dataSourceId", "identifier", "jobId", "name"}


class Told(Omissions):
    """Remembers the items that are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[str] = []

    @override
    def warn(self, source: str, item: str, reason: str) -> None:
        self.items.append(item)


def renamed(item: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the item under another name, at the top or one level down."""
    return {
        key: name if key in IDS else renamed(value, name) if key == "dataSourceMetadata" else copy.deepcopy(value)
        for key, value in item.items()
    }


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Return the path of every value in a document, its own first."""
    children = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return value
    changed = copy.deepcopy(document)
    container = changed
    for key in path[:-1]:
        container = container[key]
    container[path[-1]] = value
    return changed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(kind=st.sampled_from(ITEMS), value=JSON, data=st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_one_value_of_one_item_becomes_the_others_count(
    kind: tuple[Reader[Any, Any], dict[str, Any]], value: object, data: st.DataObject
) -> None:
    reader, item = kind
    mutated = with_value(item, data.draw(st.sampled_from(places(item))), value)
    before, after = renamed(item, "before"), renamed(item, "after")
    intact = reader.all([json.dumps([before, after]).encode()], "test", Omissions())
    read = reader.all([json.dumps([before, mutated, after]).encode()], "test", Omissions())
    assert len(intact) == 2
    assert [resource for resource in intact if resource not in read] == []
    assert len(read) <= 3
    if isinstance(mutated, dict):
        reader.one(json.dumps(mutated).encode(), "test", Omissions())


@given(st.binary())
def test_bytes_that_are_no_list_are_one_kind_of_error(body: bytes) -> None:
    try:
        read = wire.JOBS.all([body], "test", Omissions())
    except MalformedAnswerError:
        return
    assert read == []


def jobs(*items: object) -> list[Job]:
    return wire.JOBS.all([json.dumps(items).encode()], "instance i1", Omissions())


@pytest.mark.parametrize(
    ("flawed", "warning"),
    [
        (5, "job number 2 is left out: Input should be an object"),
        (None, "job number 2 is left out: Input should be an object"),
        ({}, "job number 2 is left out: jobId: Field required"),
        ({"jobId": ""}, "job number 2 is left out: jobId: String should have at least 1 character"),
        ({"jobId": 7}, "job 7 is left out: jobId: Input should be a valid string"),
        ({"jobId": "x", "tasks": {}}, "job 'x' is left out: tasks: Input should be a valid array"),
        ({"jobId": "x", "jobStatus": []}, "job 'x' is left out: jobStatus: Input should be a valid string"),
        ({"jobId": "x", "endTimestamp": 1}, "job 'x' is left out: endTimestamp: Input should be a valid datetime"),
    ],
)
def test_an_unreadable_item_is_named_and_the_others_count(
    caplog: pytest.LogCaptureFixture, flawed: object, warning: str
) -> None:
    assert [job.id for job in jobs({"jobId": "a"}, flawed, {"jobId": "b"})] == ["a", "b"]
    assert caplog.messages == [f"resource.omitted Customer Insights, instance i1: {warning}"]


UNDECODABLE = {
    "caf\\udce9": b'"caf\xe9"',
    "long": b'"long", "size": ' + b"1" * 5_000,
    "deep": b'"deep", "x": ' + b"[" * 100_000 + b"]" * 100_000,
    "word": b'"word", "x": <html>',
    "comma": b'"comma",',
}


@pytest.mark.parametrize(("name", "broken"), UNDECODABLE.items(), ids=UNDECODABLE)
@pytest.mark.parametrize("kind", ITEMS, ids=lambda kind: kind[0].kind)
def test_an_item_that_is_no_json_is_named_and_the_others_count(
    caplog: pytest.LogCaptureFixture, kind: tuple[Reader[Any, Any], dict[str, Any]], name: str, broken: bytes
) -> None:
    reader, item = kind
    before, middle, after = (json.dumps(renamed(item, one)).encode() for one in ("before", "TO BREAK", "after"))
    body = b"[" + b",".join([before, middle.replace(b'"TO BREAK"', broken), after]) + b"]"
    intact = reader.all([b"[" + before + b"," + after + b"]"], "test", Omissions())
    assert reader.all([body], "test", Omissions()) == intact
    assert f"{reader.kind} '{name}' is left out: " in caplog.text


def test_a_task_that_is_no_json_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    body = b'[{"jobId": "a", "tasks": [{"taskId": "t1"}, {"friendlyName": "caf\xe9"}, {"taskId": "t3"}]}]'
    (job,) = wire.JOBS.all([body], "instance i1", Omissions())
    assert [task.id for task in job.tasks or ()] == ["t1", "t3"]
    assert "tasks[1] of job 'a' is left out: friendlyName: it is not UTF-8" in caplog.text


def test_of_one_item_a_part_that_is_no_json_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    model = b'{"instanceId": "i1", "entities": [{"name": "A"}, {"name": "caf\xe9"}, {"name": "C"}]}'
    tables = catalog_wire.TABLES.one(model, "instance i1", Omissions())
    assert tables is not None
    assert [table.name for table in tables] == ["A", "C"]
    assert "entities[1] of list of tables 'i1' is left out: name: it is not UTF-8" in caplog.text
    assert wire.MEASURES.one(b'{"name": "caf\xe9"}', "instance i1", Omissions()) is None


def test_an_unreadable_task_costs_neither_its_job_nor_the_other_tasks(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [TASK, TASK | {"taskStatus": 5}, None, TASK | {"taskId": "t2", "ciErrors": [FAULT, "no fault"]}]
    (job,) = jobs({"jobId": "a", "tasks": tasks})
    assert [task.id for task in job.tasks or ()] == ["t1", "t2"]
    assert [message.split(": ", 1)[1] for message in caplog.messages] == [
        "tasks[1] of job 'a' is left out: taskStatus: Input should be a valid string",
        "tasks[2] of job 'a' is left out: Input should be an object",
        "tasks[3].ciErrors[1] of job 'a' is left out: Input should be an object",
    ]


def test_an_unreadable_evaluation_costs_only_itself() -> None:
    history = [RESULT, RESULT | {"entityCount": "many"}, RESULT]
    body = json.dumps([{"name": "s", "evaluationStatusHistory": history}]).encode()
    (segment,) = wire.SEGMENTS.all([body], "test", Omissions())
    assert [evaluation.count for evaluation in segment.history] == [5, 5]


def test_of_two_items_with_one_id_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    assert [job.mode for job in jobs({"jobId": "a", "jobType": "full"}, {"jobId": "a"})] == ["full"]
    assert "a second job 'a'" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'[{"name":"a"},{"name":"b","description":"\\ud800"}]', id="half a surrogate pair"),
        pytest.param(b'\xef\xbb\xbf[{"name":"a"},{"name":"b"}]', id="byte order mark"),
        pytest.param(b'[{"name":"a"},{"name":"b","x":NaN}]', id="not a number"),
    ],
)
def test_what_the_fast_parser_refuses_is_read_all_the_same(body: bytes) -> None:
    assert wire.SEGMENTS.all([body], "test", Omissions()) == [Segment("a"), Segment("b")]


def test_an_item_too_deep_to_read_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    deep = '{"name":"deep","x":' + "[" * 300 + "]" * 300 + "}"
    assert wire.SEGMENTS.all([f'[{{"name":"a"}},{deep}]'.encode()], "test", Omissions()) == [Segment("a")]
    assert "segment 'deep'" in caplog.text


@pytest.mark.parametrize("body", [b"", b"nothing", b"[", b'[{"name"', b"{}", b"null", b"5", b"[" * 100_000])
def test_an_answer_that_is_no_list_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        wire.SEGMENTS.all([body], "test", Omissions())


def test_an_answer_that_is_no_object_is_malformed() -> None:
    with pytest.raises(MalformedAnswerError):
        wire.MEASURES.one(b"[]", "test", Omissions())


def test_of_one_item_the_readable_parts_count() -> None:
    body = json.dumps({"name": "m", "outputHistory": [OUTPUT, 5]}).encode()
    measure = wire.MEASURES.one(body, "test", Omissions())
    assert measure is not None
    assert len(measure.outputs) == 1
    assert wire.MEASURES.one(b"{}", "test", Omissions()) is None


def test_omissions_are_told_once_in_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    omissions = Omissions(limit=2)
    for item in ("a", "a", "b", "a", "c", "b", "a"):
        omissions.warn("test", item, "why")
    assert [message.split()[4] for message in caplog.messages] == ["a", "b", "c", "a"]


# Texts and objects that look like the border between two items.
LOOKALIKES = ['{"name":"x"},{"name":"y"}', '\\"},{"name":"', {"name": "in"}, [{"name": "a"}, {"name": "b"}], "ü" * 50]


def in_pieces(body: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """A body as it comes over a connection, in pieces of these sizes, again and again."""
    start, following = 0, itertools.cycle(sizes)
    while piece := body[start : (start := start + next(following))]:
        yield piece


@settings(max_examples=25, deadline=None)
@given(
    stuffing=st.lists(st.sampled_from(LOOKALIKES), min_size=1, max_size=6),
    odd=st.none() | st.integers(0, 2_999),
    indent=st.sampled_from([None, 1]),
    lead=st.sampled_from(["", " \n"]),
    sizes=st.lists(st.integers(1_000, 200_000) | st.just(10_000_000), min_size=1, max_size=3),
)
def test_a_long_list_is_read_as_a_short_one_is(
    stuffing: list[Any], odd: int | None, indent: int | None, lead: str, sizes: Sequence[int]
) -> None:
    items = [
        {"name": f"S{n}", "evaluationStatus": RESULT, "segmentQueryExpression": [stuffing, "." * 600]}
        for n in range(3_000)
    ]
    if odd is not None:
        items[odd] = {"more": {"name": "first of another"}, **items[odd]}
    body = (lead + json.dumps(items, indent=indent, ensure_ascii=False)).encode()
    read = wire.SEGMENTS.all(in_pieces(body, sizes), "i1", Omissions())
    assert [segment.name for segment in read] == [f"S{n}" for n in range(3_000)]


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([0, 300, 20_000, 150_000]), min_size=1, max_size=40),
    data=st.data(),
    sizes=st.lists(st.integers(1_000, 200_000), min_size=1, max_size=3),
)
def test_an_unreadable_item_of_a_long_list_costs_only_itself(
    lengths: Sequence[int], data: st.DataObject, sizes: Sequence[int]
) -> None:
    bad = data.draw(st.sets(st.integers(0, len(lengths) - 1), max_size=3))
    items = [{"name": None if n in bad else f"S{n}", "more": "." * length} for n, length in enumerate(lengths)]
    told = Told()
    read = wire.SEGMENTS.all(in_pieces(json.dumps(items).encode(), sizes), "i1", told)
    assert [segment.name for segment in read] == [f"S{n}" for n in range(len(lengths)) if n not in bad]
    assert told.items == [f"segment number {n + 1}" for n in sorted(bad)]


@pytest.mark.parametrize("size", [10, 64 * 1024, 10_000_000])
def test_an_item_that_holds_its_like_after_a_long_blank_is_read(size: int) -> None:
    item = b'{"definition":' + b" " * 60_000 + b'{"definition":{}},"name":"M%d"}'
    body = b"[" + b",".join(item % n for n in range(20)) + b"]"
    read = wire.MEASURES.all(in_pieces(body, [size]), "i1", Omissions())
    assert [measure.name for measure in read] == [f"M{n}" for n in range(20)]


@pytest.mark.parametrize("lookalikes", [0, 2])
def test_of_a_long_list_that_comes_in_pieces_little_more_is_held_than_what_becomes_of_it(lookalikes: int) -> None:
    more = ["." * 60_000, *[{"kind": "k", "name": "S"}] * lookalikes, "." * 60_000]
    item = json.dumps({"kind": "k", "name": "S", "segmentQueryExpression": more}).encode()
    pieces = itertools.chain([b"[" + item], itertools.repeat(b"," + item, 100), [b"]"])
    tracemalloc.start()
    read = wire.SEGMENTS.all(pieces, "i1", Omissions())
    left, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(read) == 1  # they have one name
    assert most - left < 2_000_000


def test_a_long_list_whose_items_hold_what_begins_like_them_takes_little_memory() -> None:
    criteria = [{"kind": "default", "attribute": "." * 50} for _ in range(12)]
    items = [{"kind": "default", "name": f"S{n}", "segmentQueryExpression": criteria} for n in range(2_000)]
    body = json.dumps(items).encode()
    tracemalloc.start()
    wire.SEGMENTS.all([body], "i1", Omissions())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < len(body) / 2


def test_a_job_with_many_tasks_takes_little_more_memory_than_what_becomes_of_it() -> None:
    tasks = [{**TASK, "taskId": f"t{n}", "friendlyName": f"Segment {n}", "endTimestamp": TIME} for n in range(2_000)]
    body = json.dumps([{"jobId": "a", "tasks": tasks}]).encode()
    tracemalloc.start()
    jobs = wire.JOBS.all(in_pieces(body, [64 * 1024]), "i1", Omissions())
    left, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(jobs[0].tasks or ()) == len(tasks)
    assert most < 1.2 * left + 1.5 * len(body)  # its text is held until it has been read


@pytest.mark.parametrize("cut", [1, 700_000, -2])
def test_a_long_list_that_is_cut_off_is_none(cut: int) -> None:
    body = json.dumps([{"name": f"S{n}", "description": "." * 600} for n in range(3_000)]).encode()
    with pytest.raises(MalformedAnswerError):
        wire.SEGMENTS.all([body[:cut]], "i1", Omissions())
