"""The stack of the integration tests, for what is measured on it."""

from tests.integration.conftest import running, world

__all__ = ["running", "world"]
