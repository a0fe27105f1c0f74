"""Whatever a page of the project links to, or names, is there."""

import os.path
import re

import pytest

from tests.pages import DOCS, PAGES, PROJECT, anchors, code_spans, links

MADE_BY_READER = {"local.settings.json"}


def missing(page: str, text: str) -> list[str]:
    """The links of a page that lead nowhere. Other sites are not looked at."""
    pages = {**PAGES, page: text}
    lost = []
    for link in links(text):
        target, _, anchor = link.partition("#")
        name = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page  # noqa: PTH118, PTH120 - no file yet
        is_elsewhere = "://" in target
        is_there = is_elsewhere or name in pages or (PROJECT / name).exists()
        if not is_there or (anchor and not is_elsewhere and anchor not in anchors(pages.get(name, ""))):
            lost.append(link)
    return lost


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    assert missing(page, PAGES[page]) == []


@pytest.mark.parametrize(
    ("link", "is_lost"),
    [
        ("settings.md", False),
        ("nothing.md", True),
        ("../README.md#deploy", False),
        ("../README.md#nothing", True),
        ("../LICENSE#nothing", True),
        ("#a-heading", False),
        ("#a-heading-1", False),
        ("#a-heading-2", True),
        ("https://example.com/nothing#at-all", False),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(link: str, is_lost: bool) -> None:  # noqa: FBT001 - a parametrised literal
    text = f"## A `heading`\n\n[here]({link})\n\n```md\n[shown](only.md)\n## Not a heading\n```\n\n## A heading\n"
    assert missing("docs/new.md", text) == ([link] if is_lost else [])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_reached_from_the_readme(page: str) -> None:
    reached, left = set(), ["README.md"]
    while left:
        name = left.pop()
        if name in PAGES and name not in reached:
            reached.add(name)
            left += [
                os.path.normpath(os.path.join(os.path.dirname(name), link.partition("#")[0]))  # noqa: PTH118, PTH120
                for link in links(PAGES[name])
            ]
    assert page in reached


def test_files_that_are_named_exist() -> None:
    spans = code_spans(DOCS)
    named = {span for span in spans if re.fullmatch(r"(?:[\w.-]+/)*[\w.-]+\.(?:py|json|toml|md|txt|ya?ml|bicep)", span)}
    assert named > {"host.json", "azure.yaml"}
    known = {name.rpartition("/")[2] for name in named if (PROJECT / "docs" / "flows" / name).exists()}
    assert {name for name in named - MADE_BY_READER - known if not (PROJECT / name).exists()} == set()


def test_make_targets_exist() -> None:
    mentioned = set(re.findall(r"(?:`|^    )make ([a-z]+)(?:`|$)", "\n".join(PAGES.values()), re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert mentioned >= {"demo", "test", "up", "setup", "doctor"}
    assert mentioned <= targets
