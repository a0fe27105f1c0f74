"""Slices: rows of a measure's own table, picked by the values of its dimensions with an OData filter.

That the table bears the measure's name, and its columns the names of dimensions and calculations, is an assumption.
"""

import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from shared.domain.numbers import number_of
from shared.domain.rows import Row
from shared.domain.rules import EXACT, Combination
from shared.errors import NotFoundError, RefusedError
from shared.insights.calls import Calls
from shared.insights.paths import below, quoted
from shared.insights.rows import doubled, page_of
from shared.insights.transport import Call

# Servers and gateways take addresses of some 8,000 characters. So long a filter may be as it is sent.
_LONGEST: Final = 6_000

log = logging.getLogger("bridge.insights")


class Slices:
    """Reads slices. Calls block; what it raises, see `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def rows(self, instance_id: str, table: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        """The rows for these combinations: one call, unless their filter is too long for one, or refused."""
        return [row for some in _batches(combinations) for row in self._some(instance_id, table, some)]

    def _some(self, instance_id: str, table: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        path = below(instance_id, "data", quoted(table))
        for asked in _readings(combinations):
            query = {"$filter": " or ".join(map(_condition, asked)), "$top": str(len(asked))}
            try:
                return self._calls.ask(Call("GET", path, query, told=path), lambda answer: page_of(answer).rows)
            except NotFoundError:
                log.warning("measure.unreadable table=%s reason=unknown", table)
                return []
            except RefusedError:
                continue
        if len(combinations) > 1:
            # One that does not fit, such as a text for a column of numbers, is no fault of the others.
            middle = len(combinations) // 2
            halves = (combinations[:middle], combinations[middle:])
            return [row for half in halves for row in self._some(instance_id, table, half)]
        log.warning("measure.unreadable table=%s reason=refused", table)
        return []


def _readings(combinations: Sequence[Combination]) -> Sequence[Sequence[Combination]]:
    """The combinations as they are asked for, and with numbers for what looks like some: forms know texts only."""
    numbers = [{name: _number_or(value) for name, value in one.items()} for one in combinations]
    return [combinations] if numbers == list(combinations) else [combinations, numbers]


def _number_or(value: str | Decimal) -> str | Decimal:
    number = number_of(value)
    return value if number is None else number


def _condition(combination: Combination) -> str:
    """The filter for one combination; `and` binds more tightly than `or`."""
    return " and ".join(f"{name} eq {_literal(value)}" for name, value in combination.items())


def _literal(value: str | Decimal) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize(EXACT):f}"  # 2026.0 is the whole number that a column of those takes
    return f"'{doubled(value)}'"


def _batches(combinations: Sequence[Combination]) -> Iterator[Sequence[Combination]]:
    """The combinations in as few parts as addresses allow."""
    part, length = list[Combination](), 0
    for one in combinations:
        size = len(quote(f"{_condition(one)} or ", safe="$"))
        if part and length + size > _LONGEST:
            yield part
            part, length = [], 0
        part, length = [*part, one], length + size
    if part:
        yield part
