"""What flows may ask Customer Insights to do."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Scope = Literal[
    "all",
    "dataSources",
    "unification",
    "relationships",
    "activities",
    "enrichments",
    "segments",
    "measures",
    "predictions",
    "exports",
]

# The API takes identifiers joined by commas.
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^,]+$")]


class Refresh(BaseModel):
    """What to refresh, and how."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    scope: Scope = Field(description="Which part of the environment to refresh; all is a full refresh.")
    identifiers: Annotated[Sequence[Identifier], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Which of them: ids as List data sources gives them, names as List segments does; all when left "
        "out. Not with the scope all.",
    )
    force: bool = Field(default=False, strict=True, description="Yes: run also what has no new data.")
    mode: Literal["full", "incremental"] | None = Field(
        default=None, description="full: everything; incremental: what changed; left out: Customer Insights decides."
    )

    @field_validator("identifiers")
    @classmethod
    def _identifiers_belong_to_a_scope(
        cls, identifiers: Sequence[str] | None, validated: ValidationInfo
    ) -> Sequence[str] | None:
        if identifiers and validated.data.get("scope") == "all":
            raise PydanticCustomError("identifiers_of_all", "cannot be given with the scope all")
        return identifiers
