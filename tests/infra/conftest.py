"""The compiler for tests that need it, and the deployments of the samples for all others."""

import os

import pytest

from tests.infra.compiler import MISSING, Compiler, find_compiler
from tests.infra.deployment import Deployment, sample


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    path = find_compiler()
    if path is not None:
        return Compiler(path)
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
