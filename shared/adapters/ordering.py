"""Times as texts that sort: the oldest or the latest first, exact to the microsecond, in any year from 1 to 9999."""

from datetime import UTC, datetime, timedelta

from shared.domain.logs import Between

DIGITS = 18
MICROSECOND = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _FIRST) // MICROSECOND


def oldest_first(at: datetime) -> str:
    """A time as digits that sort the oldest first."""
    return f"{(at - _FIRST) // MICROSECOND:0{DIGITS}d}"


def latest_first(at: datetime) -> str:
    """A time as digits that sort the latest first."""
    return f"{_before_the_end(at):0{DIGITS}d}"


def time_of(oldest: str) -> datetime:
    """The time (UTC) of `oldest_first` digits."""
    return _FIRST + int(oldest) * MICROSECOND


def latest_in(between: Between) -> tuple[str, str]:
    """The `latest_first` digits of a time, whatever stands behind them: from the first text, before the second."""
    since, until = between
    begin = 0 if until is None else _before_the_end(until) + 1
    end = _LAST + 1 if since is None else _before_the_end(since) + 1
    return f"{begin:0{DIGITS}d}", f"{end:0{DIGITS}d}"


def readable(at: datetime) -> str:
    """A time (in UTC) as people read it; of one length, so that it can be compared as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _before_the_end(at: datetime) -> int:
    return _LAST - (at - _FIRST) // MICROSECOND
