"""Runs of flows: where people look at what a flow made of a delivery."""

import re
from urllib.parse import quote

from shared.domain.subscriptions import Subscription

_HINT = re.compile(r"[A-Za-z0-9-]{1,64}")


def hint(text: str | None) -> str | None:
    """What a subscribe request says of its flow, if it can be what it says it is: anybody can send anything."""
    return text if text is not None and _HINT.fullmatch(text) else None


def run_url(subscription: Subscription, run_id: str | None) -> str | None:
    """The page of a flow's run, where the subscription knows its environment and its flow."""
    environment, flow = subscription.environment_hint, subscription.flow_hint
    if environment is None or flow is None or not run_id:
        return None
    place = f"https://make.powerautomate.com/environments/{environment}/flows/{flow}"
    return f"{place}/runs/{quote(run_id, safe='')}"
