"""Pages of documentation: their headings and links."""

import re
from collections.abc import Set as AbstractSet
from pathlib import Path


def anchors(text: str) -> AbstractSet[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def assert_links_lead_somewhere(page: Path) -> None:
    """Every link of a page to a file or a heading finds it."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    for target in targets:
        if "://" not in target:
            file, _, anchor = target.partition("#")
            other = page.parent / file if file else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other.read_text("utf-8")), target
