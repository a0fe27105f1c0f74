"""The corpus of URLs and answers (ssrf.toml), by kind."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("ssrf.toml")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of URLs or of answers; its `name` says what they have in common."""

    name: str
    each: Sequence[str]

    def __str__(self) -> str:
        return self.name


def _kinds(what: str) -> Sequence[Kind]:
    found = tomllib.loads(FILE.read_text("utf-8"))[what]
    assert all(kind["why"] for kind in found)
    return [Kind(kind["kind"], kind["each"]) for kind in found]


URLS = _kinds("urls")
ANSWERS = _kinds("answers")
SIZE = sum(len(kind.each) for kind in (*URLS, *ANSWERS))


def hosts_in(url: str) -> set[str]:
    """Whatever some reader or other might take for the host of a URL, with and without brackets."""
    pieces = re.split(r"[/\\?#@]", url)
    found = {piece for each in pieces for piece in (each, re.sub(r":[^:\]]*$", "", each))}
    return {name for each in found for name in (each, each.strip("[]"), each.lower()) if name}
