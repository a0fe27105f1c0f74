"""NCRONTAB: when a timer ticks, in six fields. Only what certainly means what it says is taken.

The rules are those of the library that the Functions host uses (NCrontab), but for what it takes in silence: a range
that runs backwards, which it turns round; a step of 0, which it takes for 1; a step that leads out of its field, such
as `*/90` minutes; and a date that never comes. The host reads schedules as UTC.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

# In full; the first three letters will do.
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# The most days that each month ever has.
_LENGTHS = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
_PART = re.compile(r"(?:\*|(?P<first>[0-9]{1,2}|[a-z]+)(?:-(?P<last>[0-9]{1,2}|[a-z]+))?)(?:/(?P<step>[0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its name, its range, and what its values may be called."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """The values that a field names."""
        return frozenset().union(*(self._part(part) for part in text.lower().split(",")))

    def _part(self, text: str) -> range:
        found = _PART.fullmatch(text)
        if found is None:
            raise self._wrong()
        first, last, step = found["first"], found["last"], found["step"]
        start = self.least if first is None else self._value(first)
        # A value with a step begins there and goes on to the end of the field.
        open_ended = first is None or (last is None and step is not None)
        end = self.most if open_ended else self._value(last or first)
        width = int(step or 1)
        if end < start or not 1 <= width <= self.most - self.least + 1:
            raise self._wrong()
        return range(start, end + 1, width)

    def _value(self, text: str) -> int:
        if not text.isdigit():
            named = [number for number, name in enumerate(self.names, self.least) if text in {name, name[:3]}]
            if not named:
                raise self._wrong()
            return named[0]
        if not self.least <= int(text) <= self.most:
            raise self._wrong()
        return int(text)

    def _wrong(self) -> ValueError:
        names = f" or {self.names[0][:3].upper()} to {self.names[-1][:3].upper()}" if self.names else ""
        return ValueError(
            f"is no schedule: its {self.name} is not made of {self.least} to {self.most}{names}, *, and rising ranges, "
            "lists and steps of these"
        )


FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Schedule:
    """When a timer ticks: seconds, minutes, hours, days, months, and days of the week (0 is Sunday)."""

    fields: tuple[frozenset[int], ...]

    def after(self, at: datetime) -> datetime:
        """The first tick after a time, in that time's zone."""
        seconds, minutes, hours = self._times
        tick = at.replace(microsecond=0) + timedelta(seconds=1)
        while not self._has_day(tick):
            tick = _midnight(tick + timedelta(days=1))
        for hour in hours:
            for minute in minutes if hour >= tick.hour else ():
                for second in seconds if (hour, minute) >= (tick.hour, tick.minute) else ():
                    if (hour, minute, second) >= (tick.hour, tick.minute, tick.second):
                        return tick.replace(hour=hour, minute=minute, second=second)
        return self.after(_midnight(tick + timedelta(days=1)) - timedelta(seconds=1))

    @cached_property
    def _times(self) -> tuple[list[int], list[int], list[int]]:
        seconds, minutes, hours, *_ = self.fields
        return sorted(seconds), sorted(minutes), sorted(hours)

    def _has_day(self, at: datetime) -> bool:
        _, _, _, days, months, weekdays = self.fields
        return at.day in days and at.month in months and at.isoweekday() % 7 in weekdays


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def read_schedule(text: str) -> Schedule:
    """A schedule. Raises ValueError with what is wrong, which does not show the text."""
    texts = [each for each in text.split(" ") if each]
    if len(texts) != len(FIELDS):
        raise ValueError(f"is no schedule: it has not {len(FIELDS)} fields (second minute hour day month day-of-week)")
    values = tuple(field.read(each) for field, each in zip(FIELDS, texts, strict=True))
    _, _, _, days, months, _ = values
    if min(days) > max(_LENGTHS[month] for month in months):
        raise ValueError("is no schedule: its day is in none of its months, so it never comes")
    return Schedule(values)
