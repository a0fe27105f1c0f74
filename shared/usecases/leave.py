"""Leave: what becomes of an instance that was polled, and is not served any more.

What was found there and not published yet is published. It is told, and stays told in the status, as long as a flow
wants its events, and otherwise for a week: then it is forgotten, but for its checkpoints, which go on from where they
are if it ever comes back.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from shared.domain import ids
from shared.domain.cadence import Rows
from shared.domain.polls import EVERY_INSTANCE, Polled
from shared.domain.resources import Instance
from shared.domain.slots import Slot
from shared.ports.polling import PollStore
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import INSTANCES_LEFT, SILENCE, Telemetry
from shared.usecases.poll_instance import PollInstance

# How long it is told of an instance that no flow wants events of.
TOLD = timedelta(days=7)
LEFT = "Customer Insights lists this environment no longer, or CUSTOMER_INSIGHTS_INSTANCES does not name it any more"

log = logging.getLogger("bridge.poll")


class Leave:
    """Sees to the instances that have left."""

    def __init__(
        self,
        *,
        polls: PollStore,
        subscriptions: SubscriptionStore,
        poll_instance: PollInstance,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._polls = polls
        self._subscriptions = subscriptions
        self._poll_instance = poll_instance
        self._telemetry = telemetry

    async def __call__(self, slot: Slot, served: Iterable[Instance], rows: Rows) -> list[Exception]:
        """See to the instances that have rows and are not served; gives what could not be done."""
        present = {ids.key(one.id) for one in served} | {EVERY_INSTANCE}
        failures: list[Exception] = []
        left = [found for key, found in rows.items() if key not in present]
        self._telemetry.measure(INSTANCES_LEFT, len(left))
        for found in left:
            try:
                failures += await self._see_to(slot, list(found.values()))
            except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
                failures.append(error)
        return failures

    async def _see_to(self, slot: Slot, rows: Sequence[Polled]) -> list[Exception]:
        instance_id = rows[0].instance_id
        failures: list[Exception] = []
        if any(polled.left_at is None for polled in rows):
            wanted = await self._is_wanted(instance_id)
            log.warning("instance.left instance=%s subscribed=%s: %s", instance_id, str(wanted).lower(), LEFT)
        for polled in rows:
            pending = polled.pending_events
            # At first all are looked at: a worker that died has counted nothing.
            if polled.left_at is None or (pending and polled.family in slot.families):
                found = await self._poll_instance.publish(Instance(instance_id, polled.name), polled.family)
                failures += found
                pending = max(pending, 1) if found else 0
            stands = replace(polled.left(slot.opened_at, LEFT), pending_events=pending)
            if stands != polled:
                await self._polls.put(stands)
        if all(_is_old(polled, slot) for polled in rows) and not await self._is_wanted(instance_id):
            log.info("instance.forgotten instance=%s", instance_id)
            for polled in rows:
                await self._polls.remove(polled)
        return failures

    async def _is_wanted(self, instance_id: str) -> bool:
        async for _ in self._subscriptions.all(instance_id):
            return True
        return False


def _is_old(polled: Polled, slot: Slot) -> bool:
    return polled.left_at is not None and polled.left_at <= slot.opened_at - TOLD and not polled.pending_events
