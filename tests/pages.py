"""The project's Markdown pages, and how tests read them: marked blocks, tables, commands, links."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).parent.parent


# Folders of what was installed, or made by a run.
_MADE = re.compile(r"node_modules|\.(?!github$).*")


def _pages() -> Iterator[Path]:
    for folder, subfolders, names in os.walk(PROJECT):
        subfolders[:] = sorted(name for name in subfolders if not _MADE.fullmatch(name))
        yield from (Path(folder) / name for name in sorted(names) if name.endswith(".md"))


PAGES: Mapping[str, str] = {page.relative_to(PROJECT).as_posix(): page.read_text("utf-8") for page in _pages()}
README = PAGES["README.md"]
CHANGELOG = PAGES["CHANGELOG.md"]
# The pages that describe the bridge as it is; the changelog also tells what was.
DOCS = "\n".join(text for name, text in PAGES.items() if name == "README.md" or name.startswith("docs/"))


def block(name: str, page: str = DOCS) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`, on a page or wherever the docs have it."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert len(found) == 1, f"there are {len(found)} blocks {name}"
    return found[0]


def blocks(kind: str, page: str = DOCS) -> Mapping[str, str]:
    """The blocks `<!-- kind name -->` by their names."""
    names = re.findall(rf"<!-- {kind} (\S+) -->", page)
    return {name: block(f"{kind} {name}", page) for name in names}


def fenced(text: str) -> str:
    """What stands in the one code block of a text."""
    found = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return found[0]


def rows(text: str) -> Sequence[Sequence[str]]:
    """The rows of the table in a text; cells that are one code span lose its backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells
    return [[re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in row] for row in cells]


def table(name: str, page: str = DOCS) -> list[list[str]]:
    """The rows of the table in a block."""
    return [list(row) for row in rows(block(name, page))]


def code_spans(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def shell(page: str) -> str:
    """The shell blocks of a page."""
    return "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE))


def commands(page: str) -> list[str]:
    """The lines of the shell blocks; a command that goes on is one line."""
    return [line.strip() for line in shell(page).replace("\\\n", " ").splitlines() if line.strip()]


def prose(page: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page, flags=re.DOTALL | re.MULTILINE)


def links(page: str) -> list[str]:
    """What a page links to, or shows."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'(?:src|href)="([^"]+)"', prose(page))


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        number = next(n for n in range(len(found) + 1) if _numbered(anchor, n) not in found)
        found.add(_numbered(anchor, number))
    return found


def _numbered(anchor: str, number: int) -> str:
    return f"{anchor}-{number}" if number else anchor
