"""The committed files are those that the generator makes, and the readme tells what is in them."""

import re
import struct
import zlib

import pytest

from connector.__main__ import OWN
from connector.files import files, placeholders
from connector.placeholders import given_in
from tests.connector.documents import FOLDER, definition, operations, properties
from tests.pages import table

MADE = files()
README = (FOLDER / "readme.md").read_text("utf-8")
HEADINGS = [
    "Publisher",
    "Prerequisites",
    "Obtaining credentials",
    "Supported operations",
    "Getting started",
    "Known issues and limitations",
    "Deployment instructions",
    "Frequently asked questions",
]


def chunks(image: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG file, checked."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = {}, 8
    while at < len(image):
        (length,) = struct.unpack_from(">I", image, at)
        kind, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", image, at + 8 + length) == (zlib.crc32(kind + data),)
        found[kind] = data
        at += 12 + length
    return found


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith(".json")])
def test_committed_files_are_the_generator_s(name: str) -> None:
    assert (FOLDER / name).read_bytes() == MADE[name], "run `make connector`"


def test_the_committed_icon_is_the_generator_s() -> None:
    # Versions of zlib compress differently.
    committed, made = chunks((FOLDER / "icon.png").read_bytes()), chunks(MADE["icon.png"])
    assert committed[b"IHDR"] == made[b"IHDR"]
    assert zlib.decompress(committed[b"IDAT"]) == zlib.decompress(made[b"IDAT"])


def test_the_icon_is_of_the_size_and_on_the_colour_that_certification_asks_for() -> None:
    found = chunks((FOLDER / "icon.png").read_bytes())
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (width, height, depth, kind) == (230, 230, 8, 2)  # 2: colours without transparency
    rows = zlib.decompress(found[b"IDAT"])
    assert len(rows) == 230 * (1 + 230 * 3)
    brand = bytes.fromhex(properties()["iconBrandColor"][1:])
    pixels = [rows[y * 691 + 1 + x * 3 :][:3] for y in range(230) for x in range(230)]
    assert pixels[0] == pixels[-1] == brand
    assert 0.5 < pixels.count(brand) / len(pixels) < 0.95


def test_the_readme_has_the_order_that_certification_expects() -> None:
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == HEADINGS
    document = definition()
    assert README.startswith(f"# {document['info']['title']}\n\n{document['info']['description']}\n")


def test_the_readme_lists_the_triggers_and_actions() -> None:
    document = definition()
    shown = [one for _, _, one in operations(document) if one.get("x-ms-visibility") != "internal"]
    triggers = [[one["summary"], one["description"]] for one in shown if "x-ms-trigger" in one]
    actions = [[one["summary"], one["description"]] for one in shown if "x-ms-trigger" not in one]
    assert sorted(table("triggers", README)) == sorted(triggers)
    assert sorted(table("actions", README)) == sorted(actions)


def test_the_readme_names_files_that_exist() -> None:
    named = set(re.findall(r"(?:api-definition|api-properties|icon)-file (\S+)", README))
    assert named == {f"{OWN.relative_to(FOLDER.parent).as_posix()}/{name}" for name in MADE}


def test_the_readme_names_every_value_that_may_be_given() -> None:
    shown = {name for cell, _ in table("values", README) for name in re.findall(r"\w+", cell)}
    assert shown == set(placeholders())
    commands = re.findall(r"```sh\n(make connector .*?)```", README, re.DOTALL)
    given = {name: value.strip('"') for text in commands for name, value in re.findall(r'(\w+)=("[^"]+"|\S+)', text)}
    assert set(given) == set(placeholders())
    assert given_in({name: value for name, value in given.items() if "<" not in value}, placeholders())


def test_the_readme_says_which_actions_come_first() -> None:
    first = {
        one["summary"]
        for *_, one in operations(definition())
        if one.get("x-ms-visibility") == "important" and "x-ms-trigger" not in one
    }
    (sentence,) = re.findall(r"The designer shows .*?\. Those", README, re.DOTALL)
    assert {" ".join(one.split()) for one in re.findall(r"\*\*(.+?)\*\*", sentence, re.DOTALL)} == first
