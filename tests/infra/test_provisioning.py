"""Azure is provisioned again where a page says so: azd skips templates and parameters that it knows already."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.compiler import PROJECT
from tests.infra.pages import blocks, sections
from tests.pages import prose

PAGES = sorted([*(PROJECT / "docs").rglob("*.md"), PROJECT / "README.md", PROJECT / "connector" / "readme.md"])
# Where azd itself is explained, the templates are new to it, or the last time failed, which azd does not take for done.
EXPLAINED = {"Deploy", "2. Deploy", "Run it again"}
NEW = {"Upgrade and roll back"}
FAILED_BEFORE = {"Azure does not let you assign roles"}

CURES = {
    "the first of a block": ("```sh\nazd provision\n```", 1),
    "after another command": ("```sh\naz group create --name g\nazd up\n```", 1),
    "in a sentence": ("Roles: `azd provision` makes them again.", 1),
    "azd up in a sentence": ("Wait, and run `azd up` again.", 1),
    "with a new value": ("```sh\nazd env set NAME value\nazd provision\n```", 0),
    "a new environment": ("```sh\nazd env new bridge-2\nazd up\n```", 0),
    "whatever azd knows": ("```sh\nazd provision --no-state\n```\nor `azd provision --no-state`", 0),
    "a look ahead": ("```sh\nazd provision --preview\n```", 0),
    "a new value in a sentence": ("`azd env set <name> <value>`, then `azd provision`.", 0),
    "no cure": ("`azd up` asks for a region.", 0),
}


def skipped(text: str) -> Iterator[str]:
    """The places at which azd would do nothing, because it has provisioned the same already."""
    for block in blocks(text):
        before = ""
        for line in block.splitlines():
            if re.fullmatch(r"\s*azd (provision|up)\s*", line) and not re.search("azd env (set|new)", before):
                yield line.strip()
            before += line + "\n"
    for sentence in re.split(r"(?<=[.:;])\s", prose(text)):
        if "azd env set" in sentence:
            continue
        if "`azd provision`" in sentence or ("`azd up`" in sentence and "again" in sentence):
            yield sentence.strip()


@pytest.mark.parametrize(("text", "count"), CURES.values(), ids=CURES)
def test_a_cure_that_azd_skips_is_found(text: str, count: int) -> None:
    assert len(list(skipped(text))) == count


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_cure_is_one_that_azd_skips(path: Path) -> None:
    found = {
        heading: places
        for heading, text in sections(path.read_text("utf-8"))
        if heading not in EXPLAINED | NEW | FAILED_BEFORE and (places := list(skipped(text)))
    }
    assert found == {}
