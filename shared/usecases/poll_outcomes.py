"""Poll outcomes: tell how each poll of a family went, to whoever watches logs, metrics or the status."""

import logging
from collections.abc import Iterable, Sequence

from shared.domain.checkpoints import Family
from shared.domain.polls import Polled
from shared.domain.resources import Instance
from shared.errors import BridgeError
from shared.telemetry import POLL_FAILURES, SILENCE, Telemetry
from shared.usecases.poll_report import PollReport, Seen

log = logging.getLogger("bridge.poll")


class PollOutcomes:
    """Counts each failure, and reports each poll; logs the first failure and the recovery, not every tick."""

    def __init__(self, *, report: PollReport, telemetry: Telemetry = SILENCE) -> None:
        self._report = report
        self._telemetry = telemetry
        self._failing: set[tuple[str, Family]] = set()

    def pending(self, instance_id: str, family: Family, events: int) -> None:
        """Remember how many events of a family are found and not known to be published."""
        self._report.pending(instance_id, family, events)

    def saw(self, instance_id: str, family: Family, seen: Seen) -> None:
        """Remember what a poll saw going on in an instance."""
        self._report.saw(instance_id, family, seen)

    async def tell(self, instance: Instance, family: Family, failures: Sequence[Exception]) -> None:
        """Tell of one poll, and why it failed, if it did."""
        if failures:
            self._telemetry.measure(POLL_FAILURES, instance=instance.id, family=family.value)
        key = (instance.id, family)
        if failures and key not in self._failing:
            self._failing.add(key)
            log.error("poll.failed instance=%s family=%s: %s", instance.id, family, text_of(failures))
        elif not failures and key in self._failing:
            self._failing.remove(key)
            log.info("poll.recovered instance=%s family=%s", instance.id, family)
        try:
            await self._report(instance, family, failures)
        except Exception:
            # Events go their way whether or not somebody can see how the polls go.
            log.exception("poll.unreported instance=%s family=%s", instance.id, family)

    async def tell_left(self, rows: Iterable[Polled]) -> None:
        """Tell what stands in rows that a process which died has not told, or the topic has not taken."""
        for polled in rows:
            if polled.owed:
                try:
                    await self._report.tell_left(polled)
                except BridgeError:
                    log.warning("notice.left instance=%s family=%s", polled.instance_id, polled.family, exc_info=True)


def text_of(failures: Sequence[Exception]) -> str:
    """The failures in words."""
    return "; ".join(map(str, failures))
