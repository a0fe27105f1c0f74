"""B1: bytes in, resources out, beside Microsoft's own client and beside `json.loads` of the same bytes.

All sides compute and wait for nothing: the processor's time is taken, which neighbours disturb least.
"""

import json
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from time import process_time
from typing import Any, Final

from bench.answers import Answers, answers, tenant
from bench.benchmark import LIMIT, OURS, Bar, Benchmark, Count, Sides, Took
from shared.insights import wire
from shared.insights.reading import Omissions, Reader

_PEER: Final = "Microsoft's client"
_READERS: Final[Sequence[Reader[Any, Any]]] = (wire.DATA_SOURCES, wire.NODES, wire.JOBS, wire.SEGMENTS, wire.MEASURES)
_MODELS: Final = ("DataSourceInfo", "GraphNodeInfo", "GraphJobInfo", "SegmentMetadata", "MeasureMetadata")

type Read = Callable[[Sequence[bytes]], Sequence[Sequence[object]]]


def _ours(bodies: Sequence[bytes]) -> Sequence[Sequence[object]]:
    omissions = Omissions()
    return [reader.all([body], "the benchmark", omissions) for reader, body in zip(_READERS, bodies, strict=True)]


def _limit(bodies: Sequence[bytes]) -> Sequence[Sequence[object]]:
    return [json.loads(body) for body in bodies]


def _client() -> Read:
    """What Microsoft's client does with the body of an answer."""
    with warnings.catch_warnings():
        # Its packages are declared by way of pkg_resources, which warns of its age.
        warnings.simplefilter("ignore")
        models = import_module("dynamics.customerinsights.api.models")
        deserializer: Any = import_module("msrest.serialization").Deserializer
    read = deserializer({name: model for name, model in vars(models).items() if isinstance(model, type)})
    return lambda bodies: [read(f"[{name}]", json.loads(body)) for name, body in zip(_MODELS, bodies, strict=True)]


def _time(read: Read, of: Answers) -> tuple[float, Count]:
    begun = process_time()
    found = read(of.all)
    took = process_time() - begun
    return took, Count(sum(map(len, found)), of.items)


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    few, many = (answers(tenant(count)[1]) for count in ((10, 20) if short else (1_000, 10_000)))
    client = _client()

    async def ours() -> Took:
        seconds, found = _time(_ours, few)
        more, found_of_many = _time(_ours, many)
        return Took({"": seconds, "of 10,000": more}, {"items": found, "items of 10,000": found_of_many})

    async def peer() -> Took:
        seconds, found = _time(client, few)
        return Took({"": seconds}, {"items": found})

    async def limit() -> Took:
        seconds, found = _time(_limit, few)
        more, found_of_many = _time(_limit, many)
        return Took({"": seconds, "of 10,000": more}, {"items": found, "items of 10,000": found_of_many})

    yield {OURS: ours, _PEER: peer, LIMIT: limit}


BENCHMARK = Benchmark(
    number="B1",
    title="Read",
    work="the answers to a poll of 1,000 segments and 1,000 measures, into resources",
    unit="s",
    bars=(
        Bar("at least 20 times as fast as Microsoft's client", _PEER, OURS, least=20),
        Bar("no slower than json.loads", OURS, LIMIT, most=1),
        Bar("the same for 10,000 of each", f"{OURS} of 10,000", f"{LIMIT} of 10,000", most=1),
    ),
    sides=_sides,
)
