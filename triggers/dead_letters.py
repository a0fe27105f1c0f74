"""Dead letters: look at them, deliver them all the same, or give them up."""

import json
from http import HTTPStatus
from typing import Any

import azure.functions as func
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.composition import bridge
from shared.domain.events.wire import Wire
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import Between
from shared.errors import NotFoundError
from triggers.deliveries import FINDING, Counted, Sent
from triggers.lists import Paged, Since, TimedQuery, Until, next_link
from triggers.operations import Reply, Routes
from triggers.parameters import DeadLetterPath, Key
from triggers.views import CloudEvent

routes = Routes()
blueprint = routes.blueprint


class DeadLetterQuery(TimedQuery):
    """Which dead letters to list, by when they were recorded."""

    subscription_id: Key | None = Field(
        default=None,
        title="Subscription id",
        description="Only those of this subscription, as List subscriptions gives it; all when left out.",
    )
    kind: LetterKind | None = Field(
        default=None,
        title="Kind of dead letter",
        description="delivery: an event for a subscription; message: what could not be read; all when left out.",
    )


class DeadLetterView(Wire):
    """A dead letter: what could not be delivered, or not even be read, and why."""

    id: str = Field(title="Dead letter id", description="The id of the dead letter.")
    kind: LetterKind = Field(description="delivery: an event for a subscription; message: what could not be read.")
    reason: str = Field(description="Why it was given up.")
    recorded_at: AwareDatetime = Field(description="When it was given up (UTC).")
    subscription_id: str | None = Field(default=None, description="The id of the subscription.")
    event_id: str | None = Field(default=None, description="The id of the event.")
    event_type: str | None = Field(default=None, description="The type of the event.")
    attempts: int = Field(description="How many attempts had ended.")
    status: int | None = Field(default=None, description="The HTTP status of the flow's latest answer.")


class DeadLetterDetail(DeadLetterView):
    """A dead letter with what it holds."""

    event: CloudEvent | None = Field(default=None, description="The event.")
    message: str | None = Field(default=None, description="The message as it came, where it could not be read.")


class Letters(BaseModel):
    """Which dead letters to deliver; all when nothing is said."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    subscription_id: Key | None = Field(
        default=None,
        title="Subscription id",
        description="Only those of this subscription, as List subscriptions gives it; all when left out.",
    )
    since: Since | None = Field(default=None, description="Only those recorded at this time (with its zone) or later.")
    until: Until | None = Field(default=None, description="Only those recorded before this time (with its zone).")


@routes("GET", "dead-letters", summary="List dead letters", visibility="normal", problems=(HTTPStatus.BAD_REQUEST,))
async def list_dead_letters(query: DeadLetterQuery, req: func.HttpRequest) -> Paged[DeadLetterView]:
    """What could not be delivered, or not even be read, and why; the latest first."""
    page = await bridge().letters.page(
        query.part, subscription_id=query.subscription_id, kind=query.kind, between=query.between
    )
    return Paged[DeadLetterView](
        value=[DeadLetterView(**_seen(letter)) for letter in page.items],
        next_link=next_link(req, "/dead-letters", query, page.cursor),
    )


@routes("GET", "dead-letters/{id}", summary="Get a dead letter", problems=FINDING)
async def get_dead_letter(path: DeadLetterPath) -> DeadLetterDetail:
    """One dead letter with its event, or with the message that could not be read."""
    letter = await bridge().letters.get(path.id)
    if letter is None:
        raise _unknown()
    if letter.kind == "message":
        return DeadLetterDetail(message=letter.body, **_seen(letter))
    return DeadLetterDetail(event=CloudEvent.model_validate(json.loads(letter.body)), **_seen(letter))


@routes(
    "POST",
    "dead-letters/{id}/redeliver",
    summary="Redeliver a dead letter",
    visibility="normal",
    answers={HTTPStatus.ACCEPTED: Sent},
    problems=(*FINDING, HTTPStatus.CONFLICT),
)
async def redeliver_dead_letter(path: DeadLetterPath) -> Reply:
    """Delivers it at once, whatever the status of its subscription; it is then no dead letter any more."""
    return Reply(Sent(event_id=await bridge().redeliver.letter(path.id)), HTTPStatus.ACCEPTED)


@routes(
    "POST",
    "dead-letters/redeliver",
    summary="Redeliver all dead letters",
    visibility="normal",
    answers={HTTPStatus.ACCEPTED: Counted},
    problems=(HTTPStatus.BAD_REQUEST,),
)
async def redeliver_dead_letters(body: Letters) -> Reply:
    """Delivers all of them, or those of a subscription or of a time, at the rate that each flow may be called."""
    count = await bridge().redeliver.letters(body.subscription_id, Between(body.since, body.until))
    return Reply(Counted(count=count), HTTPStatus.ACCEPTED)


@routes("DELETE", "dead-letters/{id}", summary="Delete a dead letter", visibility="absent", problems=FINDING)
async def delete_dead_letter(path: DeadLetterPath) -> None:
    """Gives it up for good."""
    if not await bridge().letters.remove(path.id):
        raise _unknown()


def _seen(letter: DeadLetter) -> dict[str, Any]:
    names = DeadLetterView.model_fields
    return {name: getattr(letter, name) for name in names}


def _unknown() -> NotFoundError:
    return NotFoundError("There is no such dead letter.")
