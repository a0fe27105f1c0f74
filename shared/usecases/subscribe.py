"""Subscribe and unsubscribe: take a flow's wish to be called, and end it.

Asking again for the same gives the same subscription, so a flow may repeat itself. A new subscription, and one whose
threshold changed, starts from the last known value.
"""

import hashlib
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.resources import DataSource, Instance
from shared.domain.subscriptions import (
    DataSourceFilters,
    MeasureFilters,
    SegmentFilters,
    Subscription,
    Trigger,
    derived_id,
)
from shared.domain.wishes import Wish
from shared.errors import BridgeError, ConflictError, InvalidInputError, LostRaceError, NotFoundError, TransientError
from shared.ports import Callbacks, Cipher, Clock, Insights, SubscriptionStore

# A flow that subscribes again without having heard our answer leaves registrations behind; so many can be ended.
MAX_TOKENS = 16
MAX_RACES = 8
UNKNOWN = "is not known to Customer Insights, or not polled by the bridge"

log = logging.getLogger("bridge.subscribe")


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription, whether it is new, and the capability to end it."""

    subscription: Subscription
    created: bool
    token: str = field(repr=False)


class Subscribe:
    """Takes subscriptions; `instances` empty means all that the API lists."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        insights: Insights,
        callbacks: Callbacks,
        cipher: Cipher,
        clock: Clock,
        instances: Sequence[str] = (),
    ) -> None:
        self._subscriptions = subscriptions
        self._insights = insights
        self._callbacks = callbacks
        self._cipher = cipher
        self._clock = clock
        self._instances = instances

    async def __call__(self, wish: Wish, chosen_id: str | None = None) -> Subscribed:
        """Subscribe; without a chosen id, the same wish finds its subscription again.

        Raises `InvalidInputError` naming the field, and `ConflictError` when another trigger has the chosen id.
        """
        host = await self._callbacks.admit(wish.callback_url)
        wish = await self._known(wish)
        subscription_id = chosen_id or await self._id_for(wish)
        return await _repeat(lambda: self._write(wish, subscription_id, host))

    async def _id_for(self, wish: Wish) -> str:
        chosen_id = await self._subscriptions.id_of(wish.fingerprint)
        chosen = await self._subscriptions.get(chosen_id) if chosen_id is not None else None
        if chosen is not None and chosen[0].fingerprint == wish.fingerprint:
            return chosen[0].id
        return derived_id(wish.fingerprint)

    async def _write(self, wish: Wish, subscription_id: str, host: str) -> Subscribed:
        found = await self._subscriptions.get(subscription_id)
        old, version = found or (None, None)
        if old is not None and old.trigger is not wish.trigger:
            raise ConflictError(f"the id {subscription_id} belongs to a subscription of {old.trigger.slug}")
        now = self._clock()
        same_rule = old is not None and (old.instance_id, old.filters) == (wish.instance_id, wish.filters)
        secret = secrets.token_urlsafe(32)
        subscription = Subscription(
            id=subscription_id,
            trigger=wish.trigger,
            instance_id=wish.instance_id,
            filters=wish.filters,
            callback=self._cipher.seal(wish.callback_url, context=subscription_id),
            callback_host=host,
            fingerprint=wish.fingerprint,
            rule_id=old.rule_id if old is not None and same_rule else uuid.uuid4().hex,
            created_at=old.created_at if old is not None else now,
            updated_at=now,
            label=wish.label,
            tokens=(*(old.tokens if old is not None else ()), _hash(secret))[-MAX_TOKENS:],
        )
        await self._subscriptions.put(subscription, version, old)
        log.info("subscription.taken id=%s trigger=%s", subscription.id, subscription.trigger.slug)
        return Subscribed(subscription, created=old is None, token=f"{subscription.id}.{secret}")

    async def _known(self, wish: Wish) -> Wish:
        """The wish with its names as the API spells them. Raises `InvalidInputError` for what the API does not know."""
        instances = self._instances or _ids(await _ask(self._insights.instances()))
        wish = replace(wish, instance_id=_pick("instanceId", wish.instance_id, instances))
        match wish.filters:
            case DataSourceFilters(data_source_id=str(data_source_id)):
                found = _ids(await _ask(self._insights.data_sources(wish.instance_id)))
                known = _pick("dataSourceId", data_source_id, found)
                return replace(wish, filters=DataSourceFilters(data_source_id=known))
            case SegmentFilters(segment_name=name):
                segments = await _ask(self._insights.segments(wish.instance_id))
                if segments is not None and name not in {segment.name for segment in segments}:
                    raise _unknown("segmentName")
            case MeasureFilters(measure_name=name):
                try:
                    await self._insights.measure(wish.instance_id, name)
                except NotFoundError:
                    raise _unknown("measureName") from None
                except BridgeError:
                    log.warning("subscription.unchecked field=measureName", exc_info=True)
        return wish


class Unsubscribe:
    """Ends subscriptions; ending what is not there is no error."""

    def __init__(self, *, subscriptions: SubscriptionStore) -> None:
        self._subscriptions = subscriptions

    async def by_token(self, token: str) -> None:
        """End the registration that the capability is for, and those before it; with the latest, the subscription."""
        subscription_id, _, secret = token.rpartition(".")
        await self._leave(subscription_id, lambda subscription: subscription.without(_hash(secret)))

    async def by_id(self, trigger: Trigger, subscription_id: str) -> None:
        """End a trigger's subscription."""
        await self._leave(
            subscription_id, lambda subscription: None if subscription.trigger is trigger else subscription
        )

    async def _leave(self, subscription_id: str, left_of: Callable[[Subscription], Subscription | None]) -> None:
        async def attempt() -> None:
            found = await self._subscriptions.get(subscription_id)
            if found is None:
                return
            subscription, version = found
            left = left_of(subscription)
            if left is None:
                await self._subscriptions.delete(subscription, version)
                log.info("subscription.ended id=%s trigger=%s", subscription_id, subscription.trigger.slug)
            elif left != subscription:
                await self._subscriptions.put(left, version, subscription)
                log.info("subscription.kept id=%s trigger=%s", subscription_id, subscription.trigger.slug)

        await _repeat(attempt)


async def _repeat[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """Read and write again when somebody else wrote in between."""
    for _ in range(MAX_RACES):
        try:
            return await attempt()
        except LostRaceError:
            continue
    raise TransientError("the subscription is being changed by others; try again")


async def _ask[T](call: Awaitable[Sequence[T]]) -> Sequence[T] | None:
    """What the API lists, or None when it cannot be asked just now."""
    try:
        return await call
    except BridgeError:
        log.warning("subscription.unchecked", exc_info=True)
        return None


def _ids(resources: Sequence[Instance | DataSource] | None) -> Sequence[str] | None:
    return None if resources is None else [resource.id for resource in resources]


def _pick(field_name: str, wanted: str, known: Sequence[str] | None) -> str:
    """The id as the API spells it; as it was asked for where the API could not be asked."""
    if known is None:
        return wanted
    found = next((one for one in known if one.casefold() == wanted.casefold()), None)
    if found is None:
        raise _unknown(field_name)
    return found


def _unknown(field_name: str) -> InvalidInputError:
    return InvalidInputError({field_name: UNKNOWN})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
