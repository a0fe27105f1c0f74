"""Whoever publishes the connector gives their own values; what is committed holds placeholders and stays as it is."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from connector.__main__ import main
from connector.files import files, placeholders
from tests.connector.documents import FOLDER, keys

OWN = {
    "CONTACT_NAME": "Contoso data team",
    "CONTACT_URL": "https://contoso.com/help",
    "CONTACT_EMAIL": "data@contoso.com",
    "WEBSITE_URL": "https://contoso.com",
    "PRIVACY_URL": "https://contoso.com/privacy",
    "PUBLISHER_NAME": "Contoso Ltd.",
    "BRIDGE_HOST": "contoso-bridge.azurewebsites.net",
    "TENANT_ID": "5c4d3e2f-1a0b-4c9d-8e7f-6a5b4c3d2e1f",
    "CLIENT_ID": "8f1b3c52-6d0e-4c57-9d6e-0c1f2a3b4c5d",
    "RESOURCE_URI": "api://0b1c2d3e-4f50-4a61-8b72-9c8d7e6f5a4b",
}
WRONG = {
    "CONTACT_URL": ["http://contoso.com", "contoso.com", "https://contoso", "https://contoso.com/a b"],
    "CONTACT_EMAIL": ["contoso.com", "a b@contoso.com"],
    "BRIDGE_HOST": ["https://contoso.azurewebsites.net", "contoso.azurewebsites.net/api", "contoso"],
    "TENANT_ID": ["common", "contoso.onmicrosoft.com"],
    "CLIENT_ID": ["my-app", "8f1b3c52", "{8f1b3c52-6d0e-4c57-9d6e-0c1f2a3b4c5d}"],
    "RESOURCE_URI": ["my-api", "api://", "http://contoso.com"],
    "PUBLISHER_NAME": [" ", "x" * 101, "two\nlines"],
}

PLAIN, ALL = files(), files(OWN)


def texts(contents: Mapping[str, bytes]) -> set[str]:
    """Every text that is a value in one of the documents."""
    documents = [json.loads(content) for name, content in contents.items() if name.endswith(".json")]
    return {str(value) for document in documents for _, value in keys(document)}


def test_every_placeholder_is_tried_here() -> None:
    assert set(placeholders()) == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_a_value_stands_where_its_placeholder_stood(name: str) -> None:
    made, plain = texts(ALL), texts(PLAIN)
    assert OWN[name] in made - plain
    # Names of organisations stand elsewhere as well; other placeholders are values of nothing else.
    assert placeholders()[name].example in (plain if name.endswith("_NAME") else plain - made)


def test_with_all_values_nothing_is_left_of_the_placeholders() -> None:
    text = b"".join(content for name, content in ALL.items() if name.endswith(".json")).decode()
    assert "example.com" not in text
    assert "00000000-0000" not in text


def test_values_change_nothing_but_themselves() -> None:
    for name, content in ALL.items():
        if name.endswith(".json"):
            lines, plain = content.splitlines(), PLAIN[name].splitlines()
            assert len(lines) == len(plain)
            changed = [line.decode() for line, before in zip(lines, plain, strict=True) if line != before]
            assert [line for line in changed if not any(value in line for value in OWN.values())] == []
    assert ALL["icon.png"] == PLAIN["icon.png"]


def test_without_values_the_committed_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"PATH": "/bin", "CLIENT_ID": ""}, tmp_path / "committed", tmp_path / "own") == 0
    assert not (tmp_path / "own").exists()
    for name in ("apiDefinition.swagger.json", "entra/apiProperties.json"):
        assert (tmp_path / "committed" / name).read_bytes() == (FOLDER / name).read_bytes()
    said = capsys.readouterr().out
    assert [name for name in OWN if name not in said] == []


def test_with_values_the_committed_files_stay_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {name: OWN[name] for name in ("CONTACT_NAME", "CLIENT_ID")}
    assert main({**given, "PATH": "/bin"}, tmp_path / "committed", tmp_path / "own") == 0
    assert not (tmp_path / "committed").exists()
    written = {path.relative_to(tmp_path / "own").as_posix() for path in (tmp_path / "own").rglob("*.*")}
    assert written == set(PLAIN)
    assert OWN["CLIENT_ID"] in (tmp_path / "own" / "entra" / "apiProperties.json").read_text("utf-8")
    done, left = capsys.readouterr().out.splitlines()
    assert "CONTACT_NAME" in done
    assert "CLIENT_ID" in done
    assert "CONTACT_EMAIL" in left
    assert "CLIENT_ID" not in left


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_malformed_value_is_named_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    assert main({**OWN, name: value}, tmp_path, tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err
    assert f"{name} must be " in said
    assert not any(other in said for other in OWN if other != name)


def test_all_malformed_values_are_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main({name: values[0] for name, values in WRONG.items()}, tmp_path, tmp_path)
    said = capsys.readouterr().err
    assert [name for name in WRONG if name not in said] == []


def test_the_command_reads_the_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector"],
        env={"CLIENT_ID": "my-app"},
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "CLIENT_ID must be the client id" in done.stderr
