"""One subscription, whatever its trigger: look at it, change it, end it."""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from shared.composition import bridge
from shared.domain.events.overdue import Hours
from shared.domain.events.thresholds import JsonNumber, Margin
from shared.domain.events.wire import Wire
from shared.errors import NotFoundError
from shared.usecases.edit import Edits
from triggers.deliveries import FINDING
from triggers.operations import Routes
from triggers.parameters import AnySubscriptionPath
from triggers.subscriptions import SubscriptionView, view

routes = Routes()
blueprint = routes.blueprint

ONE = "subscriptions/{id}"


class Changes(BaseModel):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    status: Literal["active", "paused"] | None = Field(
        default=None, description="paused: hold its events until it is active again; active: take events again."
    )
    backlog: Literal["deliver", "discard"] | None = Field(
        default=None,
        description="What becomes of held events when it is made active. deliver: they go out first, oldest first, and "
        "so they do when this is left out; discard: they become dead letters.",
    )
    label: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="A name by which people find the flow in the list of subscriptions; empty: none."
    )
    threshold: JsonNumber | None = Field(default=None, description="Another number to cross, for example 10000.")
    direction: Literal["above", "below", "either"] | None = Field(
        default=None, description="Which way to cross it: above is upwards, below is downwards, either is both."
    )
    rearm_margin: Margin | None = Field(
        default=None,
        title="Margin against wavering",
        description="How far the value must go back before the same crossing counts again; with 0, each one counts.",
    )
    max_age_hours: Hours | None = Field(
        default=None, title="Overdue after hours", description="After how many hours without a refresh it is overdue."
    )

    @field_validator("backlog")
    @classmethod
    def _backlog_belongs_to_activating(cls, backlog: str | None, validated: ValidationInfo) -> str | None:
        if backlog is not None and validated.data.get("status") != "active":
            raise PydanticCustomError("backlog", "can only be given with the status active")
        return backlog

    @property
    def edits(self) -> Edits:
        """The same for the use case."""
        given: dict[str, Decimal | str | None] = self.model_dump(by_alias=True, exclude_none=True)
        filters = {name: value for name, value in given.items() if name not in {"status", "backlog", "label"}}
        return Edits(self.status, self.backlog or "deliver", self.label, filters)


class Secret(Wire):
    """What signs the deliveries of a subscription."""

    secret: str = Field(description="The secret. It is shown this once.")


@routes("GET", ONE, summary="Show a subscription", problems=FINDING)
async def show_subscription(path: AnySubscriptionPath) -> SubscriptionView:
    """One subscription with its status, and how many events are held for it."""
    found = await bridge().subscriptions.get(path.id)
    if found is None:
        raise NotFoundError("There is no such subscription.")
    return await view(found[0])


@routes("PATCH", ONE, summary="Change a subscription", visibility="normal", problems=FINDING)
async def change_subscription(path: AnySubscriptionPath, body: Changes) -> SubscriptionView:
    """Pauses a flow, has a paused, suspended or failing one take events again, or changes what it waits for."""
    return await view(await bridge().edit(path.id, body.edits))


@routes("DELETE", ONE, summary="End a subscription", visibility="absent", problems=(HTTPStatus.BAD_REQUEST,))
async def end_subscription(path: AnySubscriptionPath) -> None:
    """Ends it, and drops what is held for it; one that is gone already is no error."""
    found = await bridge().subscriptions.get(path.id)
    if found is not None:
        await bridge().unsubscribe.by_id(found[0].trigger, path.id)


@routes(
    "POST",
    ONE + "/secret/rotate",
    summary="Rotate the secret of a subscription",
    visibility="absent",
    problems=(*FINDING, HTTPStatus.CONFLICT),
)
async def rotate_secret(path: AnySubscriptionPath) -> Secret:
    """Gives a subscription a new secret; the one before signs beside it for 24 hours."""
    return Secret(secret=await bridge().rotate_secret(path.id))
