"""Pages of rows: as many as were asked for, and a cursor where more follow.

A cursor holds the key of the last row given: what comes or goes meanwhile neither repeats a row nor skips one.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from shared.adapters.tables import Row
from shared.domain.pages import Page, Slice
from shared.errors import InvalidInputError

VERSION = 1
# Every list goes by a time, with what tells apart the rows of one time behind it, and the kind of row before it where
# there are others.
_KEY = re.compile(r"(?:[a-z]\|)?[0-9]{1,18}[-|][ -~]{1,512}")


def position(part: Slice, of: str) -> str | None:
    """The row key behind which a page of the list `of` begins; None: at the start.

    Raises `InvalidInputError` on `cursor` for one that is none of this list.
    """
    if part.cursor is None:
        return None
    try:
        match json.loads(base64.b64decode(part.cursor, altchars=b"-_", validate=True)):
            case [int(version), str(name), str(key)] if (version, name) == (VERSION, of) and _KEY.fullmatch(key):
                return key
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise InvalidInputError({"cursor": "is not one that this list has given"})


async def page[T](rows: AsyncGenerator[Row], part: Slice, of: str, read: Callable[[Row], T]) -> Page[T]:
    """The next page of the list `of`, from its rows behind the position; it reads one row more than it gives."""
    items: list[T] = []
    key = ""
    async with aclosing(rows):
        async for row in rows:
            if len(items) == part.limit:
                return Page(items, _cursor(of, key))
            items.append(read(row))
            key = row["RowKey"]
    return Page(items)


def _cursor(of: str, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([VERSION, of, key]).encode()).decode()
