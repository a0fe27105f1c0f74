"""The client of the Customer Insights API: one method for each thing the bridge asks.

Knows which path and query belong to which resource, and nothing of HTTP or of the wire. Calls block in a thread of
their own, parsing included, so the event loop stays free.
"""

import asyncio
import copy
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Self

import requests

from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.errors import NotFoundError, PermanentError
from shared.insights import paths, wire
from shared.insights.auth import TokenSource
from shared.insights.paths import Layouts, LearnedPaths, below, quoted
from shared.insights.reading import Omissions, Reader
from shared.insights.transport import Clock, Pace, Transport, new_session

PATIENCE: Final = timedelta(seconds=45)
HURRIED_PATIENCE: Final = timedelta(seconds=8)

# The API's own default for the history of one measure.
_MEASURE_HISTORY_DAYS: Final = 30


type _Query = Mapping[str, str]


class InsightsClient:
    """Reads one tenant's Customer Insights; implements the port `Insights`.

    Every method may raise `TransientError` (with the wait the API asked for, if any), `AccessError` and
    `ConfigurationError`; those that take an instance also `NotFoundError` where it, or what is asked for, does not
    exist. `patience` is the longest one call may take with all its attempts.

    Sources: the paths are those of Microsoft's client (PyPI customerinsights 1.0.8) and of its documentation.
    """

    def __init__(  # noqa: PLR0913 - the first four are settings, the others have good defaults
        self,
        *,
        endpoint: str,
        workflow: str,
        subscription_key: str,
        tokens: TokenSource,
        patience: timedelta = PATIENCE,
        session: requests.Session | None = None,
        clock: Clock = time,
    ) -> None:
        self._session = session or new_session()
        self._workflow = workflow
        self._transport = Transport(
            endpoint=endpoint.rstrip("/"),
            subscription_key=subscription_key,
            tokens=tokens,
            session=self._session,
            pace=Pace.patient(patience),
            clock=clock,
        )
        self._paths = LearnedPaths()
        self._omissions = Omissions()

    def hurried(self, patience: timedelta = HURRIED_PATIENCE) -> Self:
        """Return a client for while a caller waits: one short attempt, over the same connections and learned paths."""
        sibling = copy.copy(self)
        sibling._transport = self._transport.paced(Pace.hurried(patience))  # noqa: SLF001 - of the same class
        return sibling

    def close(self) -> None:
        """Close the connections, its siblings' too."""
        self._session.close()

    async def instances(self) -> Sequence[Instance]:
        """All instances the bridge's identity can see."""
        return await asyncio.to_thread(self._list, wire.INSTANCES, "/instances", "the list of instances")

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        """All data sources."""
        return await asyncio.to_thread(self._list_either, wire.DATA_SOURCES, instance_id, paths.DATA_SOURCES)

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        """The state of every workflow node that names its object."""
        return await asyncio.to_thread(self._list_of_workflow, wire.NODES, instance_id, "status")

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        """The latest `top` jobs with their tasks, in the API's order: newest first."""
        query = {"top": str(top), "includeTasks": "true"}
        return await asyncio.to_thread(self._list_of_workflow, wire.JOBS, instance_id, "jobs", query)

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        query = None if history_days is None else _history(history_days)
        return await asyncio.to_thread(self._list_of_instance, wire.SEGMENTS, instance_id, "manage/segments", query)

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        return await asyncio.to_thread(self._list_of_instance, wire.MEASURES, instance_id, "manage/measures")

    async def measure(self, instance_id: str, name: str) -> Measure:
        """One measure with its history of 30 days. Raises `PermanentError` where the measure is unreadable."""
        return await asyncio.to_thread(self._measure, instance_id, name)

    def _measure(self, instance_id: str, name: str) -> Measure:
        source = f"instance {instance_id}"
        measure = self._transport.get(
            below(instance_id, "manage/measures", quoted(name)),
            _history(_MEASURE_HISTORY_DAYS),
            lambda body: wire.MEASURES.one(body, source, self._omissions),
            self._transport.deadline(),
        )
        if measure is None:
            raise PermanentError(f"The measure {name!r} of {source} is unreadable; the log names the field.")
        return measure

    def _list_of_workflow[R](
        self, reader: Reader[Any, R], instance_id: str, what: str, query: _Query | None = None
    ) -> list[R]:
        return self._list_either(reader, instance_id, paths.WORKFLOWS, f"/{quoted(self._workflow)}/{what}", query)

    def _list_either[R](
        self, reader: Reader[Any, R], instance_id: str, layouts: Layouts, tail: str = "", query: _Query | None = None
    ) -> list[R]:
        """Ask in the layout that answered last, and in the other one where the first knows nothing."""
        deadline = self._transport.deadline()
        first, second = self._paths.ordered(instance_id, layouts)
        try:
            return self._list_of_instance(reader, instance_id, first + tail, query, deadline)
        except NotFoundError as not_found:
            try:
                found = self._list_of_instance(reader, instance_id, second + tail, query, deadline)
            except NotFoundError:
                raise not_found from None
        self._paths.prefer(instance_id, layouts, (second, first))
        return found

    def _list_of_instance[R](
        self,
        reader: Reader[Any, R],
        instance_id: str,
        path: str,
        query: _Query | None = None,
        deadline: float | None = None,
    ) -> list[R]:
        return self._list(reader, below(instance_id, path), f"instance {instance_id}", query, deadline)

    def _list[R](
        self,
        reader: Reader[Any, R],
        path: str,
        source: str,
        query: _Query | None = None,
        deadline: float | None = None,
    ) -> list[R]:
        return self._transport.get(
            path,
            query or {},
            lambda body: reader.all(body, source, self._omissions),
            self._transport.deadline() if deadline is None else deadline,
        )


def _history(days: int) -> _Query:
    return {"includeHistoricStats": "true", "historicStatsDays": str(days)}
