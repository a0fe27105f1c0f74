"""A job with many tasks is read in parts, and nothing else comes of it than if it were read as a whole."""

import itertools
import json
from collections.abc import Iterator
from typing import Any, override

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.domain import ids
from shared.domain.resources import Job
from shared.insights import wire
from shared.insights.parts import LongItems
from shared.insights.reading import MalformedAnswerError, Omissions, Reader
from shared.insights.wire import GraphJobInfo

WHOLE: Reader[Any, Job] = Reader(
    "job",
    model=GraphJobInfo,
    resource=GraphJobInfo.resource,
    identity=lambda job: ids.key(job.id),
    names=("jobId",),
)
TASK = {
    "taskId": "t",
    "taskStatus": "successful",
    "jobIds": ["j1"],
    "friendlyName": 'A "segment", caf\u00e9 [1], {2}',
    "endTimestamp": "2026-08-01T01:02:03Z",
    "ciError": None,
    "ciErrors": [{"errorCode": "E1", "message": "m"}],
    "waitingTaskIds": [],
    "additionalInfo": "." * 300,
}
COUNT = 1_000
SMALL = b'{"jobId":"s%d","jobStatus":"failed","tasks":[{"taskId":"of s%d"}],"idList":[]}'


class Told(Omissions):
    """Remembers what is left out, and why."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, ...]] = []

    @override
    def warn(self, source: str, item: str, reason: str) -> None:
        self.all.append((source, item, reason))


def tasks(count: int = COUNT) -> list[bytes]:
    return [json.dumps({**TASK, "taskId": f"t{n}"}).encode() for n in range(count)]


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def read(reader: Reader[Any, Job], body: bytes, size: int) -> tuple[object, ...]:
    """What is read of a list, and of the same bytes as one item, and what is told of it."""
    told, results = Told(), list[object]()
    for one in (
        lambda: reader.all(in_pieces(body, size), "i1", told),
        lambda: reader.one(body.strip()[1:-1], "i1", told),
    ):
        try:
            results.append(one())
        except MalformedAnswerError as error:
            results.append(str(error))
    return *results, told.all


HEADS = (
    b'"jobId":"a","jobStatus":"failed",',
    b'"jobId":"a","jobStatus":"failed","x":{"tasks":[{"taskId":"x"}]},',
    b'"jobId":"a","jobStatus":"failed","x":"\\"tasks\\":[",',
    b'"jobId":"a","jobStatus":"failed","tasks":[{"taskId":"first"}],',
    b'"jobId":"a","jobStatus":5,',
    b'"jobStatus":"failed",',
    b'"jobId":"caf\xe9","jobStatus":"failed",',
    b'"more":{},"jobId":"a",',
    b'"jobId":"a","jobStatus":"failed","more":"' + b"." * 120_000 + b'",',
    b"",
)
KEYS = (
    b'"tasks":%b',
    b'"tasks" :\n %b',
    b'"x":1,"tasks":[],"tasks":%b',
    b'"t\\u0061sks":%b',
    b'"\\"tasks":%b',
    b'"Tasks":%b',
    b'"x":{"tasks":%b}',
    b'"tasks":[{"tasks":%b}]',
    b'"x":[{"tasks":%b},{"tasks":[]}]',
    b'"x":{"tasks":%b},"tasks":null',
    b'"x":{"tasks":%b},"tasks":[]',
    b'"tasks":{"tasks":%b}',
    b'"tasks":%b,"tasks":%b',
    b'"tasks:%b',
)
TAILS = (
    b"",
    b',"idList":[],"options":null',
    b',"idList":[[1],[2],[[3]],[4],[5],[6],[7],[8],[9]]',
    b',"x":{"tasks":[{"taskId":"x"}]}',
    b',"x":"],[\\"tasks\\":["',
    b',"tasks":null',
    b',"tasks":[{"taskId":"last"}]',
    b',"tasks":{}',
    b',"t\\u0061sks":[]',
    b',"jobId":"b"',
    b',"jobId":null',
    b',"x":NaN,"y":1e999',
    b',"x":"\\ud800"',
    b',"x":"' + b"." * 120_000 + b'"',
    b"]",
    b",",
)
ODD = (
    b"null",
    b"5",
    b"{}",
    b"",
    b" ",
    b"[]",
    b'{"taskId":5}',
    b'{"taskId":"x","taskId":"y"}',
    b'{"taskId":"x","x":NaN,"y":-Infinity}',
    b'{"taskId":"x","x":"\\ud83d"}',
    b'{"taskId":"caf\xe9"}',
    b'{"taskId":"\xff\xfe"}',
    b'{"taskId":"x","tasks":[{"taskId":"in x"}]}',
    b'{"taskId":"x","endTimestamp":"never"}',
    b'{"taskId":"x","ciErrors":[{"errorCode":"E"},5]}',
    b'{"friendlyName":"],\\"tasks\\":[{\\"taskId\\":"}',
    b'{"taskId":"x","x":"a\nb"}',
    b'{"taskId":"x","x":' + b"1" * 5_000 + b"}",
    b'{"taskId":"x","x":"' + b"." * 250_000 + b'"}',
    b'{"taskId":"x"}],[{"taskId":"y"}',
    b'{"taskId":"x"}],"idList":[{"taskId":"y"}',
    b'{"taskId":"x"}]},{"jobId":"b","tasks":[{"taskId":"y"}',
    b'{"taskId":"x"}],"tasks":[{"taskId":"y"}',
    b'{"taskId":"x"',
    b'"taskId":"x"}',
    b'{"taskId":"x","friendlyName":"',
    *(b'{"taskId":"x","x":' + b"[" * depth + b"]" * depth + b"}" for depth in range(194, 202)),
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A list with a long job, of which nearly everything may be odd."""
    listed = tasks()
    for place, odd in draw(st.lists(st.tuples(st.integers(0, COUNT), st.sampled_from(ODD)), max_size=2)):
        listed.insert(place, odd)
    comma = draw(st.sampled_from([b",", b" ,\n", b", "]))
    head = draw(st.just(HEADS[0]) | st.sampled_from(HEADS))
    key = draw(st.just(KEYS[0]) | st.sampled_from(KEYS))
    tail = draw(st.just(TAILS[1]) | st.sampled_from(TAILS))
    long = b"{" + head + key.replace(b"%b", b"[" + comma.join(listed) + b"]") + tail + b"}"
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 200))
    small = [SMALL % (n, n) for n in range(before + after)]
    end = draw(st.just(b"]") | st.sampled_from([b"", b"]]", b"\n]\n", b"},{}]"]))
    return b"[" + comma.join([*small[:before], long, *small[before:]]) + end


@settings(max_examples=150, deadline=None)
@given(body=answers(), size=st.sampled_from([10_000, 64 * 1024, 10_000_000]))
def test_a_long_job_is_read_as_a_whole_one_is(body: bytes, size: int) -> None:
    assert read(wire.JOBS, body, size) == read(WHOLE, body, size)


@pytest.mark.parametrize(
    ("head", "key", "tail"),
    [
        *itertools.product(HEADS, KEYS[:1], TAILS[1:2]),
        *itertools.product(HEADS[:1], KEYS, TAILS[:2]),
        *itertools.product(HEADS[:1], KEYS[:1], TAILS),
    ],
)
def test_a_job_that_differs_is_read_as_a_whole_one_is(head: bytes, key: bytes, tail: bytes) -> None:
    listed = b"[" + b",".join(tasks(300)) + b"]"
    body = b"[{" + head + key.replace(b"%b", listed) + tail + b"}]"
    assert read(wire.JOBS, body, len(body)) == read(WHOLE, body, len(body))


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_task_costs_what_it_costs_a_short_job(odd: bytes) -> None:
    body = b'[{"jobId":"a","tasks":[' + b",".join([*tasks(250), odd, *tasks(250)]) + b"]}]"
    assert read(wire.JOBS, body, len(body)) == read(WHOLE, body, len(body))


LONG = LongItems(TypeAdapter(list[GraphJobInfo]), GraphJobInfo, "tasks")


@pytest.mark.parametrize("before", [0, 20])
@pytest.mark.parametrize("key", KEYS[:3])
@pytest.mark.parametrize("tail", TAILS[:2])
def test_the_tasks_of_a_long_job_are_read_in_parts(before: int, key: bytes, tail: bytes) -> None:
    long = b"{" + HEADS[0] + key % (b"[" + b",".join(tasks()) + b"]") + tail + b"}"
    body = b"[" + b",".join([*(SMALL % (n, n) for n in range(before)), long]) + b"]"
    assert LONG.read(body) == TypeAdapter(list[GraphJobInfo]).validate_json(body)


def test_a_short_job_is_read_as_a_whole() -> None:
    assert LONG.read(b"[" + SMALL % (1, 1) + b"]") is None
