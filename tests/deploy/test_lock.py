"""requirements.txt names everything that runs, requirements-dev.txt what the tests need besides; both are installed."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.stack import PROJECT
from tests.deploy.lock import APP, DEV, Pin, pins

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
DEPENDENCIES: list[str] = DECLARED["project"]["dependencies"]
GROUPS: dict[str, list[str]] = DECLARED["dependency-groups"]
LOCKS = [(APP, DEPENDENCIES), (DEV, [*GROUPS["local"], *GROUPS["test"]])]
IDS = ["app", "dev"]


def needed_by(requirements: Iterable[str]) -> set[str]:
    """Every package that these need on this machine, by what the installed ones say of themselves."""
    waiting, seen = [Requirement(one) for one in requirements], set()
    while waiting:
        one = waiting.pop()
        for extra in (*one.extras, ""):
            if (one.name, extra) in seen:
                continue
            seen.add((one.name, extra))
            further = [Requirement(text) for text in distribution(one.name).requires or ()]
            waiting += [r for r in further if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {canonicalize_name(name) for name, _ in seen}


def here(locked: Mapping[str, Pin]) -> set[str]:
    return {name for name, pin in locked.items() if pin.is_for_here}


def test_each_group_is_locked() -> None:
    assert set(GROUPS) == {"local", "test"}


@pytest.mark.parametrize(("path", "declared"), LOCKS, ids=IDS)
def test_a_lock_pins_exactly_what_the_declared_packages_need(path: Path, declared: list[str]) -> None:
    assert here(pins(path)) == needed_by(declared), "run `make lock`"


@pytest.mark.parametrize(("path", "declared"), LOCKS, ids=IDS)
def test_a_lock_has_the_declared_versions(path: Path, declared: list[str]) -> None:
    locked = pins(path)
    for one in map(Requirement, declared):
        assert str(one.specifier) == f"=={locked[canonicalize_name(one.name)].version}", f"{one}: run `make lock`"


@pytest.mark.parametrize("path", [APP, DEV], ids=IDS)
def test_what_is_locked_is_what_is_tested(path: Path) -> None:
    locked = pins(path)
    assert {name: version(name) for name in here(locked)} == {name: locked[name].version for name in here(locked)}


@pytest.mark.parametrize("path", [APP, DEV], ids=IDS)
def test_every_file_of_a_lock_is_known_by_its_hash(path: Path) -> None:
    assert [name for name, pin in pins(path).items() if not pin.hashes] == []


@pytest.mark.parametrize("path", [APP, DEV], ids=IDS)
def test_a_lock_names_no_place_to_install_from(path: Path) -> None:
    assert "://" not in path.read_text("utf-8")


def test_the_locks_agree_on_what_both_name() -> None:
    app, dev = pins(APP), pins(DEV)
    assert {name: pin for name, pin in dev.items() if name in app} == {name: app[name] for name in dev.keys() & app}
