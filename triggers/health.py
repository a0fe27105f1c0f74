"""The health route: is the bridge usable? It says nothing else."""

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field

from shared.composition import is_healthy
from triggers.operations import Reply, Routes

routes = Routes()
blueprint = routes.blueprint


class Health(BaseModel):
    """Whether the bridge is usable."""

    status: Literal["healthy", "unhealthy"] = Field(description="Whether settings and storage are usable.")


@routes(
    "GET",
    "health",
    summary="Check the health",
    visibility="absent",
    answers={HTTPStatus.OK: Health, HTTPStatus.SERVICE_UNAVAILABLE: Health},
    is_open=True,
)
async def health() -> Reply:
    """Answers 200 when settings and storage are usable, else 503."""
    if await is_healthy():
        return Reply(Health(status="healthy"))
    return Reply(Health(status="unhealthy"), HTTPStatus.SERVICE_UNAVAILABLE)
