"""Runs of flows: where people look at what a flow made of a delivery."""

from shared.domain.subscriptions import Subscription


def run_url(subscription: Subscription, run_id: str | None) -> str | None:
    """The page of a flow's run, where the subscription knows its environment and its flow."""
    del subscription, run_id
    return None
