"""Columns that a row may be without: what is None is not stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.ordering import readable


def present(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row without the columns that are None."""
    return {name: value for name, value in row.items() if value is not None}


def text_of(at: datetime | None) -> str | None:
    """A time as `readable` writes it."""
    return readable(at) if at is not None else None


def time_in(row: Mapping[str, Any], name: str) -> datetime | None:
    """The time in a column, in any form of ISO 8601."""
    found = row.get(name)
    return datetime.fromisoformat(found) if found is not None else None
