"""Rows of tables: their JSON Schema, and how the text of a CSV file becomes values.

Which JSON type a column has follows from its data type. Customer Insights documents no list of data types: those known
here are the names of OData (Edm), .NET and the Common Data Model, and every other one is taken for text.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.domain.catalog import Column

type Row = dict[str, Any]

MAX_ROWS = 100_000

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


class RowQuery(BaseModel):
    """Which rows of a table to read; the expressions are OData's, and Customer Insights judges them."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    filter: Expression | None = Field(
        default=None, description="Only rows that meet this OData filter, for example City eq 'Ghent'."
    )
    select: Expression | None = Field(
        default=None, description="Only these columns, separated by commas; all when left out."
    )
    order_by: Expression | None = Field(default=None, description="In which order: columns, each with asc or desc.")
    search: Expression | None = Field(default=None, description="Only rows in which these words are found.")
    expand: Expression | None = Field(default=None, description="Related rows to include with each, in OData's words.")
    top: int = Field(default=100, ge=1, le=MAX_ROWS, description="How many rows at most.")
    skip: int = Field(default=0, ge=0, le=2**31 - 1, description="How many rows to pass over first.")


_TYPES: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("int16", "int32", "int64", "byte", "sbyte", "int", "integer", "long"), ("integer", None)),
    **dict.fromkeys(("double", "single", "decimal", "float", "number"), ("number", None)),
    **dict.fromkeys(("boolean", "bool"), ("boolean", None)),
    **dict.fromkeys(("datetimeoffset", "datetime"), ("string", "date-time")),
    "date": ("string", "date"),
    "guid": ("string", "uuid"),
}
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 400


def json_type(data_type: str | None) -> tuple[str, str | None]:
    """The JSON type and format of a column."""
    name = (data_type or "").rpartition(".")[2].lower()
    return _TYPES.get(name, ("string", None))


def row_schema(columns: Sequence[Column]) -> dict[str, Any]:
    """The JSON Schema of a row."""
    return {"type": "object", "properties": {column.name: _column_schema(column) for column in columns}}


def _column_schema(column: Column) -> dict[str, Any]:
    kind, form = json_type(column.data_type)
    schema: dict[str, Any] = {"type": kind, "title": column.friendly_name or column.name}
    return schema if form is None else {**schema, "format": form}


def from_text(text: str, data_type: str | None) -> object:
    """A value from a CSV file; text that does not fit the column's type stays text, and an empty one is no value."""
    kind, form = json_type(data_type)
    if kind == "string":
        return text if text or form is None else None
    if not text:
        return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if len(text) > _LONGEST_NUMBER or not _JSON_NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return text
    number = Decimal(text)
    return number if kind == "number" else int(number) if number == int(number) else text
