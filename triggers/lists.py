"""Long lists: which page of them is asked for, of which time, and where the next page is."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

import azure.functions as func
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.domain.catalog import Listing
from shared.domain.events.wire import in_utc
from shared.domain.logs import Between
from shared.domain.pages import Slice
from triggers.addresses import absolute
from triggers.parameters import Path

# A time as RFC 3339 has it; `fromisoformat` reads much else.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
CURSOR = "cursor"
# The most items of a page.
MOST = 500


def _read_time(value: object) -> datetime:
    """A time in UTC; one whose zone puts it before or after all time is the first or the last of all."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            at = datetime.fromisoformat(value.upper())
        except ValueError:
            pass
        else:
            try:
                return in_utc(at)
            except ValueError:
                return FIRST if at.year == FIRST.year else LAST
    raise PydanticCustomError("time", "must be a time with its zone, such as 2026-11-20T03:00:00Z")


def _not_before_since(until: datetime, validated: ValidationInfo) -> datetime:
    since: datetime | None = validated.data.get("since")
    if since is not None and until < since:
        raise PydanticCustomError("until", "must not be before since")
    return until


Since = Annotated[datetime, BeforeValidator(_read_time), WithJsonSchema({"type": "string", "format": "date-time"})]
# Of a model in which `since` stands before it.
Until = Annotated[Since, AfterValidator(_not_before_since)]


class PageQuery(Path):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=50, title="Number of items", description=f"How many to give at most, newest first; up to {MOST}."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = Field(
        default=None, description="Where the page begins: it stands in the nextLink of the page before."
    )

    @property
    def part(self) -> Slice:
        """Which part of the list that is."""
        return Slice(self.limit, self.cursor)


class TimedQuery(PageQuery):
    """Which page of a list, of a time."""

    since: Since | None = Field(default=None, description="Only what is not older than this time (with its zone).")
    until: Until | None = Field(default=None, description="Only what is older than this time (with its zone).")

    @property
    def between(self) -> Between:
        """Which time that is."""
        return Between(self.since, self.until)


class Paged[T](Listing[T]):
    """A page of a list, newest first."""

    next_link: str | None = Field(default=None, description="The address of the next page, where there is one.")


def next_link(req: func.HttpRequest, path: str, query: PageQuery, cursor: str | None) -> str | None:
    """The address of the next page of the list at a path: what was asked for, from the cursor on. It holds no key."""
    if cursor is None:
        return None
    names = {str(field.alias) for field in type(query).model_fields.values()} - {CURSOR}
    asked: Mapping[str, str] = req.params
    kept = {name: value for name, value in asked.items() if name in names}
    return absolute(req, f"{path}?{urlencode({**kept, CURSOR: cursor})}")
