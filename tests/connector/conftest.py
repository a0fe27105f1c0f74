"""Both variants of the connector, one after the other."""

import pytest

from tests.connector.documents import VARIANTS


@pytest.fixture(params=VARIANTS, ids=["key", "entra"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)
