"""What Microsoft's client knows of a JSON answer: its keys, their types and the values of its enums.

The client ignores keys it does not know and takes any string for an enum, so reading without an error proves little.
These checks walk the raw JSON along the client's own model classes instead.
"""

import re
import warnings
from collections.abc import Iterator

from msrest.serialization import Model

with warnings.catch_warnings():
    # The client declares its namespace packages by way of pkg_resources, which warns of its age on every import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from dynamics.customerinsights.api import CustomerInsights, models

__all__ = ["CustomerInsights", "attributes", "deviations", "models"]

_PLAIN = {"str": str, "bool": bool, "int": int, "long": int, "iso-8601": str, "object": object}
_ENUM = re.compile(r":param (\w+):[^:]*?Possible values include:\s*((?:'\w+'[,\s]*)+)")


def attributes(model: Model) -> dict[str, object]:
    """All attributes of a model that was read, with nested models as dictionaries too."""
    return {name: _plain(getattr(model, name)) for name in model._attribute_map}


def deviations(value: object, wire_type: str, where: str = "$") -> Iterator[str]:
    """Say where an answer differs from the client's model: a key unknown or missing, a wrong type, an unknown value."""
    if value is None:
        return
    if wire_type.startswith("["):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            yield from deviations(item, wire_type[1:-1], f"{where}[{number}]")
    elif wire_type.startswith("{"):
        assert isinstance(value, dict), where
        for key, item in value.items():
            yield from deviations(item, wire_type[1:-1], f"{where}.{key}")
    elif wire_type in _PLAIN:
        if not isinstance(value, _PLAIN[wire_type]) or (isinstance(value, bool) and wire_type in {"int", "long"}):
            yield f"{where} is no {wire_type}: {value!r}"
    else:
        assert isinstance(value, dict), where
        yield from _model_deviations(value, getattr(models, wire_type), where)


def _model_deviations(value: dict[str, object], model: type[Model], where: str) -> Iterator[str]:
    # The empty key stands for a model's additional properties; a backslash marks a dot that is part of the key.
    known = {
        entry["key"].replace("\\.", "."): (name, entry["type"])
        for name, entry in model._attribute_map.items()
        if entry["key"]
    }
    yield from (f"{where}.{key} is unknown to the client" for key in value.keys() - known.keys())
    yield from (f"{where}.{key} is missing" for key in known.keys() - value.keys())
    enums = _enums(model)
    for key in value.keys() & known.keys():
        name, wire_type = known[key]
        yield from deviations(value[key], wire_type, f"{where}.{key}")
        if name in enums and value[key] is not None and value[key] not in enums[name]:
            yield f"{where}.{key} has no value {value[key]!r}"


def _enums(model: type[Model]) -> dict[str, set[str]]:
    """The values of a model's enums; the client has them in its docstrings only."""
    return {name: set(re.findall(r"'(\w+)'", listed)) for name, listed in _ENUM.findall(model.__doc__ or "")}


def _plain(value: object) -> object:
    if isinstance(value, Model):
        return attributes(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
