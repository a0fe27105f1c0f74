"""Leave: what becomes of an instance that was polled, and is not served any more.

What was found there and not published yet is published. Where a flow wants its events, or hears of polls that fail
anywhere, its polls count as failed from then on: that shows in the status and is told like any failure, as long as a
flow wants its events, and otherwise for a week. Then, and at once where nobody watches, it is forgotten, but for its
checkpoints, which go on from where they are if it ever comes back.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta

from shared.domain import ids
from shared.domain.cadence import Rows
from shared.domain.events.polling import PollingFailed
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.polls import Polled
from shared.domain.resources import Instance
from shared.domain.slots import Slot
from shared.domain.triggers import TRIGGERS
from shared.ports.polling import PollStore
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import INSTANCES_LEFT, SILENCE, Telemetry
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_report import PollReport

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
        report: PollReport,
        subscriptions: SubscriptionStore,
        poll_instance: PollInstance,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._polls = polls
        self._report = report
        self._subscriptions = subscriptions
        self._poll_instance = poll_instance
        self._telemetry = telemetry

    async def __call__(self, slot: Slot, served: Iterable[Instance], rows: Rows) -> list[Exception]:
        """See to the instances that have rows and are not served; gives what could not be done."""
        present = {ids.key(one.id) for one in served} | {EVERY_INSTANCE}
        failures, missed = list[Exception](), 0
        try:
            for key, found in rows.items():
                if key not in present:
                    try:
                        missed += await self._see_to(slot, list(found.values()), failures)
                    except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
                        failures.append(error)
        finally:
            self._telemetry.measure(INSTANCES_LEFT, missed)
        return failures

    async def _see_to(self, slot: Slot, rows: Sequence[Polled], failures: list[Exception]) -> bool:
        """See to one that has left; whether it is missed, and not forgotten."""
        instance_id, is_new = rows[0].instance_id, any(polled.left_at is None for polled in rows)
        pending = [await self._publish(slot, polled, failures) for polled in rows]
        is_old = all(polled.left_at is not None and polled.left_at <= slot.opened_at - TOLD for polled in rows)
        # Whoever was told of it goes on being told until it is old: no need to ask in each slot who that is.
        if is_old or not all(polled.is_told for polled in rows):
            is_wanted = await _any(self._subscriptions.all(instance_id))
            is_watched = is_wanted or await _any(self._subscriptions.all(EVERY_INSTANCE, TRIGGERS[PollingFailed.slug]))
            if not any(pending) and not is_wanted and (is_old or not is_watched):
                log.info("instance.forgotten instance=%s", instance_id)
                for polled in rows:
                    await self._polls.remove(polled)
                return False
            if is_new and is_watched:
                log.warning("instance.left instance=%s subscribed=%s: %s", instance_id, str(is_wanted).lower(), LEFT)
        else:
            is_watched = True
        for polled, left in zip(rows, pending, strict=True):
            if polled.left_at is None or polled.family in slot.families:
                await self._report.left(polled, slot.opened_at, LEFT, pending=left, is_watched=is_watched)
        return True

    async def _publish(self, slot: Slot, polled: Polled, failures: list[Exception]) -> int:
        """Publish what was found there; gives how many events are left.

        At first all are looked at: a worker that died has counted nothing.
        """
        if polled.left_at is not None and (not polled.pending_events or polled.family not in slot.families):
            return polled.pending_events
        found = await self._poll_instance.publish(Instance(polled.instance_id, polled.name), polled.family)
        failures += found
        return max(polled.pending_events, 1) if found else 0


async def _any(found: AsyncIterator[object]) -> bool:
    async for _ in found:
        return True
    return False
