"""The tenant's own clock: what time it was there, by the `Date` header, when it last answered about an instance."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from shared.domain import ids

_INSTANCE = re.compile(r"/instances/([^/]+)")


def date_of(value: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110, 5.6.7), in UTC; None for what is none."""
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Dates:
    """The latest dates, by instance; safe to share between threads."""

    def __init__(self) -> None:
        self._latest: dict[str, datetime] = {}

    def heard(self, path: str, headers: Mapping[str, str]) -> None:
        """Remember the date of an answer, whatever its status."""
        instance, date = _INSTANCE.match(path), date_of(headers.get("Date", ""))
        if instance and date:
            self._latest[ids.key(unquote(instance[1]))] = date

    def latest(self, instance_id: str) -> datetime | None:
        """What time it was when the API last answered about an instance."""
        return self._latest.get(ids.key(instance_id))
