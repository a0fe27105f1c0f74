"""Values of whoever publishes the connector: a placeholder stands in the committed files, each one's own is given."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands where a value of the publisher's belongs, which is given under this name."""

    name: str
    example: str
    form: re.Pattern[str]
    what: str


def words_of(name: str, example: str) -> Placeholder:
    """A placeholder for a name that people read."""
    return Placeholder(name, example, re.compile(r"\S(.{0,98}\S)?"), "a name of at most 100 characters")


def address(name: str, example: str) -> Placeholder:
    """A placeholder for the address of a page."""
    return Placeholder(name, example, re.compile(r"https://[^\s/]+\.[^\s/]+(/\S*)?"), "an https address")


def fill(document: Any, given: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """The document with the given values, and with the examples of those that are not given."""
    match document:
        case Placeholder(name, example):
            return given.get(name, example)
        case Mapping():
            return {key: fill(value, given) for key, value in document.items()}
        case list():
            return [fill(value, given) for value in document]
        case _:
            return document


def placeholders_in(document: Any) -> Iterator[Placeholder]:  # noqa: ANN401 - any JSON
    """Every placeholder in a document, as often as it stands there."""
    match document:
        case Placeholder():
            yield document
        case Mapping():
            for value in document.values():
                yield from placeholders_in(value)
        case list():
            for value in document:
                yield from placeholders_in(value)


def given_in(environment: Mapping[str, str], placeholders: Mapping[str, Placeholder]) -> Mapping[str, str]:
    """The values that an environment gives; an empty one is none. Raises `SettingsError` naming all malformed ones."""
    given = {name: environment[name] for name in placeholders if environment.get(name)}
    wrong = [
        f"{name} must be {placeholders[name].what}"
        for name, value in given.items()
        if not placeholders[name].form.fullmatch(value)
    ]
    if wrong:
        raise SettingsError("; ".join(wrong))
    return given
