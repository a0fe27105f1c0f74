"""Pages: a part of a long list, and where the next begins."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Some of a list, newest first; `cursor` is opaque and leads to the next page, None where there is none."""

    items: Sequence[T]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is wanted: at most `limit`, from a page's cursor on."""

    limit: int = 50
    cursor: str | None = None
