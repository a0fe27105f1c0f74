"""The compiler for tests that need it, and the deployments of the samples for all others."""

import os
from collections.abc import Iterator

import pytest

from tests.infra.compiler import MISSING, Compiler, find_compiler
from tests.infra.deployment import Deployment, sample


@pytest.fixture(scope="session")
def compiler() -> Iterator[Compiler]:
    if path := find_compiler():
        with Compiler(path) as compiler:
            yield compiler
        return
    if os.environ.get("CI"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@pytest.fixture(scope="session")
def plain() -> Deployment:
    """What is deployed when no option is taken."""
    return sample("plain")


@pytest.fixture(scope="session")
def full() -> Deployment:
    """What is deployed when every option is taken."""
    return sample("full")


@pytest.fixture(params=["plain", "full"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Either of them: the test holds for both."""
    return sample(request.param)
