"""HTTP requests: parameters and JSON bodies, checked against models.

Whatever is wrong is an `InvalidInputError` that names each field.
"""

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from shared.domain import exact_json
from shared.errors import InvalidInputError

BODY = "body"
_SLASH = re.compile("%2f", re.IGNORECASE)


def parse_parameters[M: BaseModel](values: Mapping[str, str], model: type[M]) -> M:
    """Parameters of a path or a query as the model; those that it does not name are left out."""
    names = _names(model)
    return _validated({name: value for name, value in values.items() if name in names}, model)


def parse_path[M: BaseModel](values: Mapping[str, str], model: type[M]) -> M:
    """Parameters of a path as the model. The host decodes all of a path but `%2F`, which would part its segments."""
    return parse_parameters({name: _SLASH.sub("/", value) for name, value in values.items()}, model)


def parse_body[M: BaseModel](content: bytes, model: type[M]) -> M:
    """A body as the model. Numbers are read as decimals, never as binary floats; a key that is null is absent.

    No body is an empty object where the model asks for nothing. A model that is a row (a `RootModel`) takes any JSON
    object with its nulls.
    """
    if not content and not any(field.is_required() for field in model.model_fields.values()):
        content = b"{}"
    try:
        value = exact_json.read(content, pairs=_once)
    except ValueError:
        raise InvalidInputError({BODY: "is not JSON"}) from None
    if not isinstance(value, dict):
        raise InvalidInputError({BODY: "is not a JSON object"})
    if not issubclass(model, RootModel):
        names = _names(model)
        value = {key: one for key, one in value.items() if one is not None or key not in names}
    return _validated(value, model)


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object. A key that stands twice is refused: readers on the way differ on which of the two counts."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise InvalidInputError({BODY: "names a key twice"})
    return value


def _validated[M: BaseModel](value: Mapping[str, object], model: type[M]) -> M:
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        # What follows a key in a location is the model's own affair.
        fields = {str(one["loc"][0]) if one["loc"] else BODY: _message(one) for one in wrong}
        raise InvalidInputError(fields) from None


def _message(wrong: ErrorDetails) -> str:
    if wrong["type"] == "is_instance_of":
        # Numbers are decimals in here, which is nothing that a caller knows; a flow's expression likes to give text.
        return "Input should be a number, without quotation marks"
    return wrong["msg"].removeprefix("Value error, ")
