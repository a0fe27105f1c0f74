"""HTTP requests: parameters and JSON bodies, checked against models.

Whatever is wrong is an `InvalidInputError` that names each field.
"""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.domain import exact_json
from shared.errors import InvalidInputError

BODY = "body"
_SLASH = re.compile("%2f", re.IGNORECASE)


def parse_parameters[M: BaseModel](values: Mapping[str, str], model: type[M]) -> M:
    """Parameters of a path or a query as the model; those that it does not name are left out."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    return _validated({name: value for name, value in values.items() if name in names}, model)


def parse_path[M: BaseModel](values: Mapping[str, str], model: type[M]) -> M:
    """Parameters of a path as the model. The host decodes all of a path but `%2F`, which would part its segments."""
    return parse_parameters({name: _SLASH.sub("/", value) for name, value in values.items()}, model)


def parse_body[M: BaseModel](content: bytes, model: type[M]) -> M:
    """A body as the model. Numbers are read as decimals, never as binary floats."""
    try:
        value = exact_json.read(content)
    except ValueError:
        raise InvalidInputError({BODY: "is not JSON"}) from None
    if not isinstance(value, dict):
        raise InvalidInputError({BODY: "is not a JSON object"})
    return _validated(value, model)


def _validated[M: BaseModel](value: Mapping[str, object], model: type[M]) -> M:
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        # What follows a key in a location is the model's own affair.
        fields = {str(one["loc"][0]) if one["loc"] else BODY: _message(one) for one in wrong}
        raise InvalidInputError(fields) from None


def _message(wrong: ErrorDetails) -> str:
    # Numbers are decimals in here, which is nothing that a caller knows.
    return (
        "Input should be a number" if wrong["type"] == "is_instance_of" else wrong["msg"].removeprefix("Value error, ")
    )
