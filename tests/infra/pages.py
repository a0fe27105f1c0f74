"""The pages for whoever deploys and operates: their shell blocks and sections."""

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


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each heading, and what stands between it and the next one of any level."""
    outside = re.sub(
        r"^( *```.*?^ *```)", lambda found: found[0].replace("#", "\0"), text, flags=re.DOTALL | re.MULTILINE
    )
    for heading, body in re.findall(r"^#+ ([^\n]+)\n(.*?)(?=^#+ |\Z)", outside, re.DOTALL | re.MULTILINE):
        yield heading, body.replace("\0", "#")
