"""What a caller is told of a body that is not right."""

import json

import pytest

from shared.domain.actions import Refresh
from shared.errors import InvalidInputError
from triggers.requests import parse_body


def test_a_rule_between_fields_names_the_field_in_our_own_words() -> None:
    with pytest.raises(InvalidInputError) as wrong:
        parse_body(json.dumps({"scope": "all", "identifiers": ["Web"]}).encode(), Refresh)
    assert wrong.value.fields == {"identifiers": "cannot be given with the scope all"}
