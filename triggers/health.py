"""The health route: is the bridge usable? It says nothing else."""

from http import HTTPStatus

import azure.functions as func

from shared.composition import is_healthy
from triggers.answers import answer, answering

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


@blueprint.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """200 when settings and storage are usable, else 503."""
    del req
    if await is_healthy():
        return answer({"status": "healthy"})
    return answer({"status": "unhealthy"}, HTTPStatus.SERVICE_UNAVAILABLE)
