"""The values of the API's answers, whatever resource they belong to: names, times, counts, numbers, errors.

Validation happens in Pydantic's compiled core. Times come out in UTC, enum values in one spelling.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from shared.domain import ids
from shared.domain.numbers import number_of
from shared.domain.resources import Fault
from shared.insights.spelling import spelled

# .NET writes "no date" as its first (0001-01-01) or last (9999-12-31) one. Nothing in Customer Insights is so far off.
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998

# Far beyond any count, and near enough to be written out.
_MOST_DIGITS: Final = 18

type Name = Annotated[str, Field(min_length=1)]
type Text = Annotated[str, Field(coerce_numbers_to_str=True)]
# Strict: a bare number is no time, though Pydantic would take it for seconds since 1970.
type Time = Annotated[datetime, Field(strict=True)]


def _not_blank(value: str) -> str:
    if not ids.key(value):
        raise PydanticCustomError("id", "Input should be an id, not blank")
    return value


# Something is left of it where ids are compared.
type Id = Annotated[Name, AfterValidator(_not_blank)]


def whole_number(value: object) -> int | None:
    """Return a whole number of at most 18 digits, not below zero, however it is written: 900, 900.0, "900", 9e2."""
    if type(value) is int:
        return value if 0 <= value < 10**_MOST_DIGITS else None
    number = number_of(value)
    if number is None or number < 0 or number.adjusted() >= _MOST_DIGITS or number != number.to_integral_value():
        return None
    return int(number)


def _count(value: object) -> int:
    number = whole_number(value)
    if number is None:
        raise PydanticCustomError("count", "Input should be a whole number, not below zero")
    return number


# Strict: true is no count, though Pydantic would take it for 1. What is no plain number is looked at more closely.
type Count = Annotated[
    Annotated[int, Field(strict=True, ge=0)] | Annotated[int, BeforeValidator(_count)],
    Field(union_mode="left_to_right"),
]


class Wire(BaseModel):
    """The names here in snake_case are the wire's in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class CIResult(Wire):
    """An error as Customer Insights tells it."""

    exception_culprit: str | None = None
    error_code: Text | None = None
    result_severity: str | None = None
    message: Text | None = None
    ci_results: list["CIResult"] | None = None

    def resource(self) -> Fault | None:
        """Return the fault; what it does not say itself, the first of the faults inside it may."""
        own = Fault(self.error_code, self.message, spelled(self.exception_culprit), spelled(self.result_severity))
        inner = None if self.message else _first_fault(self.ci_results or ())
        if inner is not None:
            own = Fault(
                code=own.code or inner.code,
                message=inner.message,
                culprit=own.culprit or inner.culprit,
                severity=own.severity or inner.severity,
            )
        return None if own == Fault() else own


def utc(time: datetime | None) -> datetime | None:
    """Return the time in UTC (a time without a zone is in UTC already), or None for .NET's "no date"."""
    if time is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def fault(error: CIResult | None, errors: Sequence[CIResult] | None) -> Fault | None:
    """Return the one error, or else the first of the errors that says anything."""
    return next(iter(faults(error, errors)), None)


def faults(error: CIResult | None, errors: Sequence[CIResult] | None) -> Sequence[Fault]:
    """Return all errors that say anything, each once: the one error first."""
    if not error and not errors:
        return ()  # as of nearly all
    told = [*([error] if error else ()), *(errors or ())]
    return tuple(dict.fromkeys(found for one in told if (found := one.resource())))


def said(error: object) -> Fault | None:
    """Return what an evaluation says went wrong: a text, or an object with a value and a key (`StringInfo`)."""
    if isinstance(error, str):
        return Fault(message=error) if error else None
    if not isinstance(error, dict):
        return None
    code, message = (text if isinstance(text := error.get(key), str) and text else None for key in ("key", "value"))
    return Fault(code, message) if code or message else None


def _first_fault(errors: Sequence[CIResult]) -> Fault | None:
    return next((fault for error in errors if (fault := error.resource())), None)


def only_number(values: Iterable[object]) -> Decimal | None:
    """Return the one number among the values; None where there is none or more than one."""
    numbers = [number for value in values if (number := number_of(value)) is not None]
    return numbers[0] if len(numbers) == 1 else None
