"""Refresh marks: what is remembered of data sources between two polls, and how that is written in few bytes.

A mark is one text, as there may be thousands: its fields with commas between them, then its latest refreshes, each
after a semicolon. Times are microseconds since 1970 to base 36; jobs and names are short hashes, for they are only
compared. `=updated,=k3v9x2ab;hx3v1c7p2qSTN5kO8c~b7d0aa1` is a data source that is `updated`, and whose last refresh,
a success, completed at `hx3v1c7p2q` by its task, 0.2 s later by its node, and by its own account 0.3 s later.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_serializer, model_validator

from shared.domain import ids
from shared.domain.lapses import Lapse

type Feed = Literal["task", "node", "own"]
type Outcome = Literal["succeeded", "failed"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_HASH: Final = 8
_FEEDS: Final[Mapping[str, Feed]] = {"T": "task", "N": "node", "O": "own"}
_OUTCOMES: Final[Mapping[str, Outcome | None]] = {"S": "succeeded", "F": "failed", "U": None}
_REFRESH: Final = re.compile(r"(-?[0-9a-z]+)([SFU])((?:[TNO]-?[0-9a-z]*)+)((?:~[0-9a-z]+)*)")


@lru_cache(maxsize=10_000)
def short(text: str) -> str:
    """A hash of an id or name, for comparing."""
    return _base36(int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=5).digest()))[:_HASH]


class KnownRefresh(BaseModel):
    """A refresh that has been told, or was there at the baseline, with its `outcome` and its jobs, hashed.

    `times` are when it completed, by feed; `at` is the one of them that was told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: dict[Feed, AwareDatetime]
    at: AwareDatetime
    outcome: Outcome | None = None
    jobs: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever stands there
        if isinstance(stored, str):
            return _refresh_of(stored)
        if isinstance(stored, dict) and "at" not in stored and isinstance(times := stored.get("times"), dict) and times:
            # As version 1 wrote it.
            told = next(times[feed] for feed in ("task", "node", *times) if feed in times)
            jobs = stored.get("jobs", ())
            return {"times": times, "at": told, "jobs": tuple(short(ids.key(str(job))) for job in jobs)}
        return stored

    @model_serializer(mode="plain")
    def written(self) -> str:
        """It as a text."""
        outcome = next(letter for letter, outcome in _OUTCOMES.items() if outcome == self.outcome)
        times = (
            letter + (_base36(gap) if (gap := (self.times[feed] - self.at) // _MICROSECOND) else "")
            for letter, feed in _FEEDS.items()
            if feed in self.times
        )
        return _time(self.at) + outcome + "".join(times) + "".join(f"~{job}" for job in self.jobs)


class DataSourceMark(BaseModel):
    """What is remembered of one data source.

    `recent` are its latest refreshes, oldest first; what else completed up to `since` is old. `turn_expected` says
    that a failure was told before `refresh_state` showed it, `untimed_at` when a failure without a time was observed.
    `name` is the hash of the name that it alone bore when it was last seen (nothing: it shared it; None: it is not
    known), which is its own since `named_at`.
    `gone_at` is when it was first missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recent: tuple[KnownRefresh, ...] = ()
    since: datetime | None = None
    refresh_state: str | None = None
    turn_expected: bool = False
    untimed_at: datetime | None = None
    name: str | None = None
    named_at: datetime | None = None
    gone_at: datetime | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever stands there
        return _mark_of(stored) if isinstance(stored, str) else stored

    @model_serializer(mode="plain")
    def written(self) -> str:
        """It as a text."""
        head = (
            "" if self.refresh_state is None else f"={quote(self.refresh_state.encode(errors='replace'), safe='')}",
            "" if self.name is None else f"={self.name}",
            *(_maybe(at) for at in (self.named_at, self.since, self.untimed_at, self.gone_at)),
            "x" if self.turn_expected else "",
        )
        return ";".join((",".join(head).rstrip(","), *(known.written() for known in self.recent)))


class DataSourcesState(BaseModel):
    """What is remembered of an instance's data sources; `horizon` is the latest time that any feed has shown.

    `behind` counts the polls in a row that could not read the jobs back to there. `asking` are those that ask for new
    credentials (None: nobody has looked yet), and `lapses` what is known of the rules on their age.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    marks: dict[ids.Key, DataSourceMark] = {}
    horizon: datetime
    behind: int = 0
    asking: tuple[ids.Key, ...] | None = None
    lapses: dict[str, Lapse] = {}


def _mark_of(text: str) -> dict[str, Any]:
    head, *recent = text.split(";")
    fields = [*head.split(","), *[""] * 7][:7] if head.count(",") < 7 else []  # noqa: PLR2004 - the fields of `written`
    if not fields:
        raise ValueError("too many fields")
    state, name, *times, turn_expected = fields
    named_at, since, untimed_at, gone_at = (_at(time) if time else None for time in times)
    return {
        "recent": tuple(recent),
        "since": since,
        "refresh_state": unquote(state[1:]) if state else None,
        "turn_expected": turn_expected == "x",
        "untimed_at": untimed_at,
        "name": name[1:] if name else None,
        "named_at": named_at,
        "gone_at": gone_at,
    }


def _refresh_of(text: str) -> dict[str, Any]:
    found = _REFRESH.fullmatch(text)
    if found is None:
        raise ValueError("no refresh")
    at = _at(found[1])
    times = {_FEEDS[letter]: _at(gap or "0", at) for letter, gap in re.findall(r"([TNO])(-?[0-9a-z]*)", found[3])}
    jobs: Sequence[str] = found[4].split("~")[1:]
    return {"times": times, "at": at, "outcome": _OUTCOMES[found[2]], "jobs": tuple(jobs)}


def _maybe(at: datetime | None) -> str:
    return "" if at is None else _time(at)


def _time(at: datetime) -> str:
    return _base36((at - _EPOCH) // _MICROSECOND)


def _at(text: str, since: datetime = _EPOCH) -> datetime:
    try:
        return since + int(text, 36) * _MICROSECOND
    except OverflowError:
        raise ValueError("no time") from None


def _base36(number: int) -> str:
    digits, left = "", abs(number)
    while left:
        left, digit = divmod(left, 36)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")
