"""What every client of the Customer Insights API shares: the connection, its patience, and the two layouts of paths.

Knows nothing of single resources. Calls block: `Calls.run` makes them in a thread of their own, parsing included, so
that the event loop stays free.
"""

import asyncio
import contextvars
import copy
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Self

import requests

from shared.errors import NotFoundError, PermanentError
from shared.insights import paths
from shared.insights.auth import TokenSource
from shared.insights.budget import Budget
from shared.insights.clock import Clock
from shared.insights.dates import Dates
from shared.insights.paths import Layouts, LearnedPaths, below, quoted
from shared.insights.reading import Omissions, Reader
from shared.insights.sessions import new_session
from shared.insights.transport import Answer, Call, Pace, Transport

PATIENCE: Final = timedelta(seconds=45)
HURRIED_PATIENCE: Final = timedelta(seconds=8)

# Calls that hang keep their threads. They must not keep those of the event loop, which storage and name resolution
# use, and callers who wait must not take those of the polls.
# A poll makes up to three calls at once, and 20 polls of instances that answer and 4 of slow ones go on side by side.
_THREADS: Final = 72
_HURRIED_THREADS: Final = 32

type Query = Mapping[str, str]


class Calls:
    """Calls one tenant's API.

    Every method may raise `TransientError` (with the wait the API asked for, if any), `AccessError`,
    `ConfigurationError` and `PermanentError`; `NotFoundError` where the instance, or what is asked for, does not
    exist. `patience` is the longest one call may take with all its attempts.
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
        self.budget = Budget(clock)
        self.dates = Dates()
        self._transport = Transport(
            endpoint=endpoint.rstrip("/"),
            subscription_key=subscription_key,
            tokens=tokens,
            session=self._session,
            pace=Pace.patient(patience),
            clock=clock,
            budget=self.budget,
            dates=self.dates,
        )
        self._threads = ThreadPoolExecutor(_THREADS, "insights")
        self._hurried_threads = ThreadPoolExecutor(_HURRIED_THREADS, "insights-hurried")
        self._paths = LearnedPaths()
        self._omissions = Omissions()

    def hurried(self, patience: timedelta = HURRIED_PATIENCE) -> Self:
        """Return the same for while a caller waits: one short attempt, over the same connections and learned paths."""
        sibling = copy.copy(self)
        sibling._transport = self._transport.paced(Pace.hurried(patience))  # noqa: SLF001 - of the same class
        sibling._threads = self._hurried_threads  # noqa: SLF001
        return sibling

    def close(self) -> None:
        """Close the connections and let go of the threads, its siblings' too. What is not begun yet never is."""
        for threads in (self._threads, self._hurried_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def run[T](self, call: Callable[[], T]) -> T:
        """Make calls in a thread of their own."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)

    async def each[T](self, items: Iterator[T]) -> AsyncIterator[T]:
        """What a blocking iterator gives, each item fetched in a thread."""
        nothing = object()
        while (item := await self.run(lambda: next(items, nothing))) is not nothing:
            yield item  # type: ignore[misc]  # all but the sentinel come from the iterator

    async def found[T](self, what: str, instance_id: str, ask: Callable[[], T | None]) -> T:
        """What `ask` finds, in a thread of its own; `what` names it where it is missing or unreadable.

        Raises `NotFoundError`, and `PermanentError` for what cannot be read.
        """
        try:
            item = await self.run(ask)
        except NotFoundError:
            raise NotFoundError(f"Customer Insights knows no {what} in {source_of(instance_id)}.") from None
        if item is None:
            raise PermanentError(f"The {what} of {source_of(instance_id)} is unreadable; the log names the field.")
        return item

    def deadline(self, patience: timedelta | None = None) -> float:
        """The moment at which calls that start now must be over; without `patience`, one call's own."""
        return self._transport.deadline(patience)

    def ask[T](self, call: Call, read: Callable[[Answer], T], deadline: float | None = None) -> T:
        """Make a call; `read` makes something of the answer, or raises `MalformedAnswerError`."""
        return self._transport.ask(call, read, self._transport.deadline() if deadline is None else deadline)

    def all[R](
        self,
        reader: Reader[Any, R],
        path: str,
        source: str,
        query: Query | None = None,
        deadline: float | None = None,
    ) -> list[R]:
        """All items at a path; `source` names it in warnings."""
        call = Call("GET", path, query or {})
        return self.ask(call, lambda answer: reader.all(answer.pieces, source, self._omissions), deadline)

    def all_of_instance[R](
        self,
        reader: Reader[Any, R],
        instance_id: str,
        path: str,
        query: Query | None = None,
        deadline: float | None = None,
    ) -> list[R]:
        """All items at a path below an instance."""
        return self.all(reader, below(instance_id, path), source_of(instance_id), query, deadline)

    def all_in_either[R](
        self, reader: Reader[Any, R], instance_id: str, layouts: Layouts, tail: str = "", query: Query | None = None
    ) -> list[R]:
        """All items at a path that stands in one of two layouts."""
        return self._in_either(
            instance_id,
            layouts,
            lambda layout, deadline: self.all_of_instance(reader, instance_id, layout + tail, query, deadline),
        )

    def all_of_workflow[R](
        self, reader: Reader[Any, R], instance_id: str, what: str, query: Query | None = None
    ) -> list[R]:
        """All items of a kind in the workflow."""
        return self.all_in_either(reader, instance_id, paths.WORKFLOWS, f"/{quoted(self._workflow)}/{what}", query)

    def one[R](self, reader: Reader[Any, R], instance_id: str, path: str, query: Query | None = None) -> R | None:
        """The item at a path below an instance; None where it is unreadable, of which a warning tells."""
        call = Call("GET", below(instance_id, path), query or {})
        return self.ask(call, lambda answer: reader.one(answer.body(), source_of(instance_id), self._omissions))

    def one_of_workflow[R](self, reader: Reader[Any, R], instance_id: str, call: Call) -> R | None:
        """What the workflow answers to a call, whose path starts there; None where that is unreadable.

        A layout that is not the tenant's answers 404 and does nothing, so this is safe for a POST.
        """

        def ask(layout: str, deadline: float) -> R | None:
            path = below(instance_id, layout, quoted(self._workflow), call.path)
            return self.ask(replace(call, path=path), read, deadline)

        def read(answer: Answer) -> R | None:
            return reader.one(answer.body(), source_of(instance_id), self._omissions)

        return self._in_either(instance_id, paths.WORKFLOWS, ask)

    def _in_either[T](self, instance_id: str, layouts: Layouts, ask: Callable[[str, float], T]) -> T:
        """Ask in the layout that answered last, and in the other one where the first knows nothing."""
        deadline = self._transport.deadline()
        first, second = self._paths.ordered(instance_id, layouts)
        try:
            return ask(first, deadline)
        except NotFoundError as not_found:
            try:
                found = ask(second, deadline)
            except NotFoundError:
                raise not_found from None
        self._paths.prefer(instance_id, layouts, (second, first))
        return found


def source_of(instance_id: str) -> str:
    """How an instance is named in warnings and errors."""
    return f"instance {instance_id}"
