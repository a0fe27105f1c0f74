"""The console's files over HTTP: what anybody gets, and what nobody gets."""

import gzip
import re

import azure.functions as func
import pytest

from triggers.console import FOLDER, HEADERS, files, load_console, open_console

MAX_BYTES, MAX_COMPRESSED = 100_000, 35_000


async def get(path: str, **headers: str) -> func.HttpResponse:
    name = path.partition("console/")[2]
    request = func.HttpRequest(
        method="GET",
        url=f"https://bridge.test/api/{path}",
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        route_params={"file": name},
        body=b"",
    )
    function = load_console if name else open_console
    return await function.build().get_user_function()(request)


async def test_the_address_without_a_slash_leads_to_the_page_whatever_lies_before_it() -> None:
    answer = await get("console")
    assert (answer.status_code, answer.headers["Location"]) == (308, "console/")


async def test_the_page_comes_with_every_guard() -> None:
    answer = await get("console/")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("name", [path.name for path in FOLDER.iterdir() if path.suffix != ".txt"])
async def test_each_file_is_served_as_it_is_or_compressed_and_once(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    plain, packed = await get(f"console/{name}"), await get(f"console/{name}", accept_encoding="br, gzip")
    assert plain.get_body() == content
    assert (gzip.decompress(packed.get_body()), packed.headers["Content-Encoding"]) == (content, "gzip")
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for tag in (plain.headers["ETag"], f'"other", W/{plain.headers["ETag"]}', "*"):
        again = await get(f"console/{name}", if_none_match=tag)
        assert (again.status_code, again.get_body(), again.headers["ETag"]) == (304, b"", plain.headers["ETag"])
    assert (await get(f"console/{name}", if_none_match='"other"')).status_code == 200


@pytest.mark.parametrize(
    "name", ["nothing.js", "../host.json", "..%2fhost.json", "/etc/passwd", "preact.licenses.txt", "APP.JS", "."]
)
async def test_nothing_else_is_served(name: str) -> None:
    assert (await get(f"console/{name}")).status_code == 404


@pytest.mark.parametrize("path", ["console", "console/", "console/app.js"])
@pytest.mark.parametrize("value", ["false", "perhaps"])
async def test_switched_off_or_spelled_wrong_there_is_no_console(
    path: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSOLE_ENABLED", value)
    assert (await get(path)).status_code == 404


async def test_the_page_comes_up_while_other_settings_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_GRID_TOPIC_ENDPOINT", "nonsense")
    assert (await get("console/")).status_code == 200


def test_all_files_together_are_small() -> None:
    assert sum(len(file.plain) for file in files().values()) <= MAX_BYTES
    together = b"".join(file.plain for file in files().values())
    assert len(gzip.compress(together)) <= MAX_COMPRESSED


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = files()["index.html"].plain.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", page) == []
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= set(files())
    for name, file in files().items():
        if name.endswith(".js"):
            assert set(re.findall(r'from "\./([^"]+)"', file.plain.decode())) <= set(files()), name
