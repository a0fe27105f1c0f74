"""The pages for whoever deploys and operates: their shell blocks, sections and links."""

import re
from collections.abc import Iterator
from typing import Final

from tests.infra.compiler import PROJECT

DOCS: Final = PROJECT / "docs"


def page(name: str) -> str:
    """The text of a page in docs/."""
    return (DOCS / name).read_text("utf-8")


def blocks(text: str) -> list[str]:
    """The shell blocks."""
    return re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """The lines of the shell blocks; a command that goes on is one line."""
    return [line.strip() for one in blocks(text) for line in one.replace("\\\n", " ").splitlines() if line.strip()]


def prose(text: str) -> str:
    """The text without its blocks."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each heading, and what stands between it and the next one of any level."""
    outside = re.sub(
        r"^( *```.*?^ *```)", lambda found: found[0].replace("#", "\0"), text, flags=re.DOTALL | re.MULTILINE
    )
    for heading, body in re.findall(r"^#+ ([^\n]+)\n(.*?)(?=^#+ |\Z)", outside, re.DOTALL | re.MULTILINE):
        yield heading, body.replace("\0", "#")


def anchors(text: str) -> set[str]:
    """What a link may name after `#`, by GitHub's rule for headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading, _ in sections(text)}


def links(text: str) -> list[str]:
    """Where its links lead."""
    return sorted(set(re.findall(r"\]\(([^)\s]+)\)", text)))


def leads_somewhere(target: str, text: str) -> bool:
    """Whether a link of a page with this text leads to a file and, in it, to a heading; addresses are not asked."""
    if "://" in target:
        return True
    path, _, anchor = target.partition("#")
    found = (DOCS / path).resolve()
    if anchor:
        return anchor in anchors(found.read_text("utf-8") if path else text)
    return found.exists()
