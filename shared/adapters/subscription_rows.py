"""The rows of the table `subscriptions`: each subscription, and the signposts that lead to it.

A subscription is one row. A signpost at its route has events find it; one at its fingerprint, for an id that a caller
chose, has the same wish find it again. Its key holds the rule id, which no other subscription of that id has had.
"""

import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from shared.adapters.columns import present, text_of, time_in
from shared.adapters.ordering import readable
from shared.adapters.storage import key_of
from shared.adapters.tables import VERSION, Row, known
from shared.domain import exact_json, ids
from shared.domain.events.wire import json_text
from shared.domain.notices import notice_at
from shared.domain.rules import AnyRule
from shared.domain.subscriptions import Standing, Subscription
from shared.domain.triggers import TRIGGERS, Trigger
from shared.errors import FormatError

NO_ROW = ""
# Between which partitions the rows of one kind stand.
BETWEEN = "PartitionKey ge @first and PartitionKey lt @last"
SUBSCRIPTIONS = {"first": "subscription|", "last": "subscription}"}
SIGNPOSTS = ({"first": "callback|", "last": "callback}"}, {"first": "route|", "last": "route}"})
# What stands in filters as text: numbers, and objects that may hold some.
NUMBERS, OBJECTS = {"threshold", "rearmMargin", "maxAgeHours"}, {"dimensions"}
_READ: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(NUMBERS, Decimal),
    **dict.fromkeys(OBJECTS, exact_json.read),
}
# What of a subscription's row tells how it stands.
STANDING = ["PartitionKey", "v", "id", "status", "releaseAt"]

type Key = tuple[str, str]

log = logging.getLogger("bridge.subscribe")


def key(row: Row) -> Key:
    """The partition and the row key of a row."""
    return row["PartitionKey"], row["RowKey"]


def subscription_key(subscription_id: str) -> Key:
    """Where a subscription's own row stands."""
    return key_of("subscription", subscription_id), NO_ROW


def route_partition(route: Sequence[str]) -> str:
    """Where the signposts of a route stand."""
    return key_of("route", *route)


def fingerprint_partition(fingerprint: str) -> str:
    """Where the signposts of a fingerprint stand."""
    return key_of("callback", fingerprint)


def signposts(subscription: Subscription) -> list[Row]:
    """What leads to a subscription."""
    own = key_of(subscription.id, subscription.rule_id)
    at_route = {
        "PartitionKey": route_partition(subscription.route.partition),
        # A crossing names the rule that it is for.
        "RowKey": key_of(subscription.rule_id) if subscription.rule else own,
        "v": VERSION,
        "subscriptionId": subscription.id,
        "ruleId": subscription.rule_id,
        "filters": _filters_text(subscription),
    }
    if not subscription.has_chosen_id:
        return [at_route]
    at_fingerprint = {
        "PartitionKey": fingerprint_partition(subscription.fingerprint),
        "RowKey": own,
        "v": VERSION,
        "subscriptionId": subscription.id,
    }
    return [at_route, at_fingerprint]


def rule_of(trigger: Trigger, signpost: Row) -> AnyRule | None:
    """The rule of the subscription that a signpost leads to."""
    row = known(signpost, "signpost")
    return trigger.filters.model_validate(_exact(row["filters"])).rule(row["ruleId"])


def subscription_row(subscription: Subscription) -> Row:
    """The row that holds all of a subscription."""
    partition, row_key = subscription_key(subscription.id)
    row = {
        "PartitionKey": partition,
        "RowKey": row_key,
        "v": VERSION,
        "id": subscription.id,
        "trigger": subscription.trigger.slug,
        "instanceId": subscription.instance_id,
        "instanceKey": ids.key(subscription.instance_id),
        "filters": _filters_text(subscription),
        "callback": subscription.callback,
        "callbackHost": subscription.callback_host,
        "fingerprint": subscription.fingerprint,
        "ruleId": subscription.rule_id,
        "createdAt": readable(subscription.created_at),
        "updatedAt": readable(subscription.updated_at),
        "label": subscription.label,
        "status": subscription.status,
        "statusReason": subscription.status_reason,
        "statusSince": text_of(subscription.status_since),
        "failures": subscription.failures,
        "failingSince": text_of(subscription.failing_since),
        "releaseAt": text_of(subscription.release_at),
        "leasedUntil": text_of(subscription.leased_until),
        "tokens": json.dumps(list(subscription.tokens)),
        "secret": subscription.secret,
        "previousSecret": subscription.previous_secret,
        "previousUntil": text_of(subscription.previous_until),
        "environmentHint": subscription.environment_hint,
        "flowHint": subscription.flow_hint,
        "owed": json_text(subscription.owed) if subscription.owed else None,
        "warnedSince": text_of(subscription.warned_since),
        "noticeAt": text_of(notice_at(subscription)),
    }
    return present(row)


def standing_of(row: Row) -> Standing:
    """How a subscription stands, from the columns `STANDING`. Raises `FormatError` as `subscription_of` does."""
    return Standing(known(row, "subscription")["id"], row["status"], time_in(row, "releaseAt"))


def subscription_of(row: Row) -> Subscription:
    """The subscription that a row holds. Raises `FormatError` for a row of another version of the bridge."""
    trigger = TRIGGERS[known(row, "subscription")["trigger"]]
    return Subscription(
        id=row["id"],
        trigger=trigger,
        instance_id=row["instanceId"],
        filters=trigger.filters.model_validate(_exact(row["filters"])),
        callback=bytes(row["callback"]),
        callback_host=row["callbackHost"],
        fingerprint=row["fingerprint"],
        rule_id=row["ruleId"],
        created_at=datetime.fromisoformat(row["createdAt"]),
        updated_at=datetime.fromisoformat(row["updatedAt"]),
        label=row.get("label"),
        status=row["status"],
        status_reason=row.get("statusReason"),
        status_since=time_in(row, "statusSince"),
        failures=row["failures"],
        failing_since=time_in(row, "failingSince"),
        release_at=time_in(row, "releaseAt"),
        leased_until=time_in(row, "leasedUntil"),
        tokens=tuple(json.loads(row["tokens"])),
        secret=row.get("secret"),
        previous_secret=row.get("previousSecret"),
        previous_until=time_in(row, "previousUntil"),
        environment_hint=row.get("environmentHint"),
        flow_hint=row.get("flowHint"),
        owed=tuple(json.loads(row.get("owed", "[]"))),
        warned_since=time_in(row, "warnedSince"),
    )


async def those_known[T](rows: AsyncIterable[Row], read: Callable[[Row], T]) -> AsyncIterator[T]:
    """What rows hold. One that another version of the bridge has written is left out: it must not hide the others."""
    async for row in rows:
        try:
            found = read(row)
        except FormatError:
            log.exception("subscription.unreadable key=%s", row["PartitionKey"])
        else:
            yield found


def _filters_text(subscription: Subscription) -> str:
    filters = subscription.filters.model_dump(by_alias=True, exclude_none=True)
    texts = {name: exact_json.write(filters[name]) for name in OBJECTS & filters.keys()}
    return json.dumps(filters | texts, default=str)


def _exact(filters: str) -> dict[str, object]:
    """Filters as stored: their numbers, which stand there as text, as the decimals they are, and objects likewise."""
    return {name: _READ[name](value) if name in _READ else value for name, value in json.loads(filters).items()}
