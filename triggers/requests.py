"""HTTP requests: their bodies as JSON objects, checked against a model."""

import json
from decimal import Decimal
from typing import NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import InvalidInputError

BODY = "body"


def parse_body[M: BaseModel](content: bytes, model: type[M]) -> M:
    """A body as the model. Raises `InvalidInputError` naming each field that is wrong.

    Numbers are read as decimals, never as binary floats.
    """
    try:
        value = json.loads(content, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidInputError({BODY: "is not JSON"}) from None
    if not isinstance(value, dict):
        raise InvalidInputError({BODY: "is not a JSON object"})
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        # All bodies are flat: what follows a key in a location is the model's own affair.
        fields = {str(one["loc"][0]) if one["loc"] else BODY: _message(one) for one in wrong}
        raise InvalidInputError(fields) from None


def _message(wrong: ErrorDetails) -> str:
    # Numbers are decimals in here, which is nothing that a caller knows.
    return "Input should be a number" if wrong["type"] == "is_instance_of" else wrong["msg"]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
