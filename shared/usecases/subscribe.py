"""Subscribe and unsubscribe: take a flow's wish to be called, and end it.

Asking again for the same gives the same subscription, so a flow may repeat itself. It says that the flow takes calls
(again): what was held for it is let out. A new subscription, and one whose threshold changed, starts from the last
known value.
"""

import hashlib
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain import ids
from shared.domain.events.data_sources import DataSourceFilters, DataSourceOverdueFilters
from shared.domain.events.measures import MeasureChoice, MeasureFilters
from shared.domain.events.segments import SegmentChoice, SegmentFilters
from shared.domain.resources import DataSource, Instance, Measure
from shared.domain.signatures import SECRET_BYTES, context, written
from shared.domain.subscriptions import Subscription, derived_id
from shared.domain.triggers import Trigger
from shared.domain.wishes import Wish
from shared.errors import (
    BridgeError,
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    LostRaceError,
    NotFoundError,
    TransientError,
)
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.polling import Insights
from shared.ports.subscriptions import Callbacks, Cipher, SubscriptionStore
from shared.usecases.backlog import Backlog
from shared.usecases.notify import Notify
from shared.usecases.served import Served

# A flow that subscribes again without having heard our answer leaves registrations behind; so many can be ended.
MAX_TOKENS = 16
MAX_RACES = 8
UNKNOWN = "is not known to Customer Insights, or not polled by the bridge"
SCALAR = "is for a measure with dimensions only, and this one has none"
DIMENSIONS = "must give a value for each dimension of the measure, and for nothing else"
AGGREGATE = "must name one of the calculations of the measure"
NO_VALUE = "shows neither one value nor dimensions, so there is nothing to watch"

log = logging.getLogger("bridge.subscribe")


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription, whether it is new, the capability to end it, and the secret that signs, where that is new."""

    subscription: Subscription
    created: bool
    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


class Subscribe:
    """Takes subscriptions of the instances that are served."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        insights: Insights,
        callbacks: Callbacks,
        cipher: Cipher,
        backlog: Backlog,
        notify: Notify,
        clock: Clock,
        served: Served,
    ) -> None:
        self._subscriptions = subscriptions
        self._insights = insights
        self._callbacks = callbacks
        self._cipher = cipher
        self._backlog = backlog
        self._notify = notify
        self._clock = clock
        self._served = served

    async def __call__(self, wish: Wish, chosen_id: str | None = None) -> Subscribed:
        """Subscribe; without a chosen id, the same wish finds its subscription again.

        Raises `InvalidInputError` naming the field, and `ConflictError` when another trigger has the chosen id.
        """
        host = await self._callbacks.admit(wish.callback_url)
        wish = await self._known(wish)
        subscription_id = chosen_id or await self._subscriptions.id_of(wish.fingerprint) or derived_id(wish.fingerprint)
        return await _repeat(lambda: self._write(wish, subscription_id, host))

    async def _write(self, wish: Wish, subscription_id: str, host: str) -> Subscribed:
        found = await self._subscriptions.get(subscription_id)
        token, secret = secrets.token_urlsafe(32), written(secrets.token_bytes(SECRET_BYTES))
        fresh = self._fresh(wish, subscription_id, host, secret, token)
        if found is None:
            stands = fresh
            await self._subscriptions.put(fresh, None)
        else:
            stands = await self._renew(*found, fresh)
        log.info("subscription.taken id=%s trigger=%s", stands.id, stands.trigger.slug)
        await self._notify(stands)
        shown = secret if stands.secret is not None and stands.secret == fresh.secret else None
        return Subscribed(stands, created=found is None, token=f"{subscription_id}.{token}", secret=shown)

    def _fresh(self, wish: Wish, subscription_id: str, host: str, secret: str, token: str) -> Subscription:
        """The subscription as if there had been none before."""
        now = self._clock()
        return Subscription(
            id=subscription_id,
            trigger=wish.trigger,
            instance_id=wish.instance_id,
            filters=wish.filters,
            callback=self._cipher.seal(wish.callback_url, context=subscription_id),
            callback_host=host,
            fingerprint=wish.fingerprint,
            rule_id=uuid.uuid4().hex,
            created_at=now,
            updated_at=now,
            label=wish.label,
            status_since=now,
            tokens=(_hash(token),),
            secret=self._cipher.seal(secret, context=context(subscription_id)) if wish.signed else None,
            environment_hint=wish.environment_hint,
            flow_hint=wish.flow_hint,
        )

    async def _renew(self, old: Subscription, version: str, fresh: Subscription) -> Subscription:
        """Replace a subscription by what is asked for now; one that was not active gets what was held for it."""
        renewed = self._renewed(old, fresh)
        if old.status == "active":
            await self._subscriptions.put(renewed, version, old)
            return renewed
        stands = await self._backlog.open(old.id, lambda it: self._renewed(it, fresh))
        if stands is None:
            raise LostRaceError("the subscription has been ended meanwhile")
        return stands

    def _renewed(self, old: Subscription, fresh: Subscription) -> Subscription:
        if old.trigger is not fresh.trigger:
            raise ConflictError(f"the id {old.id} belongs to a subscription of {old.trigger.slug}")
        same_rule = ids.key(old.instance_id) == ids.key(fresh.instance_id) and old.filters == fresh.filters
        secret = self._sealed_again(old) if fresh.is_signed else None
        return replace(
            fresh,
            rule_id=old.rule_id if same_rule else fresh.rule_id,
            created_at=old.created_at,
            status_since=old.status_since if old.status == "active" else fresh.status_since,
            release_at=old.release_at,
            leased_until=old.leased_until,
            tokens=(*old.tokens, *fresh.tokens)[-MAX_TOKENS:],
            secret=secret or fresh.secret,
            previous_secret=old.previous_secret if secret else None,
            previous_until=old.previous_until if secret else None,
            owed=old.owed,
        )

    def _sealed_again(self, old: Subscription) -> bytes | None:
        """The secret of a subscription, under the key of today; None where there is none, or no key opens it."""
        if old.secret is None:
            return None
        try:
            secret = self._cipher.open(old.secret, context=context(old.id))
        except ConfigurationError:
            log.exception("secret.unreadable subscription=%s", old.id)
            return None  # a new one, which is shown, is all that helps
        return self._cipher.seal(secret, context=context(old.id))

    async def _known(self, wish: Wish) -> Wish:
        """The wish with its names as the API spells them. Raises `InvalidInputError` for what the API does not know."""
        wish = replace(wish, instance_id=await self._instance(wish))
        match wish.filters:
            case DataSourceFilters(data_source_id=str(name)) | DataSourceOverdueFilters(data_source_id=name):
                found = _ids(await _ask(self._insights.data_sources(wish.instance_id)))
                return _with(wish, data_source_id=_pick("dataSourceId", name, found))
            case SegmentFilters(segment_name=name) | SegmentChoice(segment_name=str(name)):
                segments = await _ask(self._insights.segments(wish.instance_id))
                known = _spelled("segmentName", name, None if segments is None else [one.name for one in segments])
                return _with(wish, segment_name=known)
            case MeasureFilters() as filters:
                measure = await self._measure(wish.instance_id, filters.measure_name)
                return wish if measure is None else _with(wish, measure_name=measure.name, **_slice(filters, measure))
            case MeasureChoice(measure_name=str(name)):
                measure = await self._measure(wish.instance_id, name)
                return wish if measure is None else _with(wish, measure_name=measure.name)
        return wish

    async def _instance(self, wish: Wish) -> str:
        """The id of the instance as the API spells it, or that of all where the trigger may be for all."""
        if wish.instance_id == ids.EVERY_INSTANCE:
            if wish.trigger.filters.any_instance:
                return wish.instance_id
            raise InvalidInputError({"instanceId": f"{wish.trigger.slug} is for one environment"})
        return _pick("instanceId", wish.instance_id, _ids(await _ask(self._served.all(self._insights.instances))))

    async def _measure(self, instance_id: str, name: str) -> Measure | None:
        """The measure of that name; None where the API could not be asked."""
        try:
            return await self._insights.measure(instance_id, name)
        except NotFoundError:
            raise _unknown("measureName") from None
        except BridgeError:
            log.warning("subscription.unchecked field=measureName", exc_info=True)
            return None


def _with(wish: Wish, **changes: object) -> Wish:
    return replace(wish, filters=wish.filters.model_copy(update=changes))


def _slice(filters: MeasureFilters, measure: Measure) -> Mapping[str, object]:
    """Which of a measure's values to watch, its names as the API spells them. Raises `InvalidInputError`."""
    if not measure.dimensions:
        wrong = {name: SCALAR for name in ("dimensions", "aggregate") if getattr(filters, name) is not None}
        if wrong or not measure.scalar:
            raise InvalidInputError(wrong or {"measureName": NO_VALUE})
        return {}
    asked = filters.dimensions or {}
    given = {_alike(name, measure.dimensions): value for name, value in asked.items()}
    if set(given) != set(measure.dimensions) or len(given) < len(asked):
        raise InvalidInputError({"dimensions": f"{DIMENSIONS}: {', '.join(measure.dimensions)}"})
    aggregate = filters.aggregate and _alike(filters.aggregate, measure.aggregates)
    if (aggregate is None and len(measure.aggregates) != 1) or (aggregate and aggregate not in measure.aggregates):
        raise InvalidInputError({"aggregate": f"{AGGREGATE}: {', '.join(measure.aggregates)}"})
    return {"dimensions": given, "aggregate": aggregate}


def _alike(name: str, known: Sequence[str]) -> str:
    """The name as it is spelled there, whatever its case; as it came where it is not there."""
    if name in known:
        return name
    found = [one for one in known if one.casefold() == name.casefold()]
    return found[0] if len(found) == 1 else name


class Unsubscribe:
    """Ends subscriptions; ending what is not there is no error."""

    def __init__(
        self, *, subscriptions: SubscriptionStore, deliveries: DeliveryStore, notify: Notify, clock: Clock
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._notify = notify
        self._clock = clock

    async def by_token(self, token: str) -> None:
        """End the registration that the capability is for, and those before it; with the latest, the subscription."""
        subscription_id, _, secret = token.rpartition(".")
        await self._leave(subscription_id, lambda subscription: subscription.without(_hash(secret)))

    async def by_id(self, trigger: Trigger | None, subscription_id: str) -> None:
        """End a trigger's (None: any's) subscription."""
        await self._leave(
            subscription_id, lambda subscription: None if trigger in {None, subscription.trigger} else subscription
        )

    async def _leave(self, subscription_id: str, left_of: Callable[[Subscription], Subscription | None]) -> None:
        async def attempt() -> None:
            now = self._clock()  # what is held later is for one that somebody has made under this id meanwhile
            found = await self._subscriptions.get(subscription_id)
            if found is None:
                # Whoever has ended it may have died before this.
                await self._deliveries.drop(subscription_id, now)
                return
            subscription, version = found
            left = left_of(subscription)
            if left is None:
                await self._notify.before_the_end(subscription)
                await self._subscriptions.delete(subscription, version)
                await self._deliveries.drop(subscription_id, now)
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
    found = next((one for one in known if ids.key(one) == ids.key(wanted)), None)
    if found is None:
        raise _unknown(field_name)
    return found


def _spelled(field_name: str, wanted: str, known: Sequence[str] | None) -> str:
    """The name as the API spells it, whatever its case; as it was asked for where the API could not be asked."""
    if known is None:
        return wanted
    found = _alike(wanted, known)
    if found not in known:
        raise _unknown(field_name)
    return found


def _unknown(field_name: str) -> InvalidInputError:
    return InvalidInputError({field_name: UNKNOWN})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
