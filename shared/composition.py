"""The bridge, and the one place that makes it.

It is built on first use, once per worker, and never at import: an app with broken settings is still indexed,
and says at each call what is wrong with them.
"""

import asyncio
import atexit
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.errors import TransientError
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.insights.actions import ActionsClient
    from shared.insights.catalog import CatalogClient
    from shared.insights.partitions import PartitionsClient
    from shared.insights.rows import RowsClient
    from shared.ports.deliveries import DeliveryStore
    from shared.ports.logs import DeadLetterLog, EventLog
    from shared.ports.subscriptions import SubscriptionStore
    from shared.telemetry import Telemetry
    from shared.usecases.agenda import Agenda
    from shared.usecases.check import Check
    from shared.usecases.deliver import Deliver
    from shared.usecases.dispatch import Dispatch
    from shared.usecases.edit import Edit
    from shared.usecases.follow import Follow
    from shared.usecases.notify import Notify
    from shared.usecases.observe import Observe
    from shared.usecases.patience import Patience
    from shared.usecases.poll import Poll
    from shared.usecases.poll_message import PollMessage
    from shared.usecases.purge import Purge
    from shared.usecases.redeliver import Redeliver
    from shared.usecases.release import Release
    from shared.usecases.replay import Replay
    from shared.usecases.rotate import RotateSecret
    from shared.usecases.served import Served
    from shared.usecases.status import ReadStatus
    from shared.usecases.subscribe import Subscribe, Unsubscribe
    from shared.usecases.timers import Timers
    from shared.usecases.watched import Watched

HEALTH_TIMEOUT = 10
CLOSE_TIMEOUT = 5

log = logging.getLogger("bridge")


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Bridge:
    """The wired use cases, and what callers may read without one."""

    poll: "Poll"
    poll_message: "PollMessage"
    timers: "Timers"
    dispatch: "Dispatch"
    deliver: "Deliver"
    release: "Release"
    patience: "Patience"
    agenda: "Agenda"
    subscribe: "Subscribe"
    unsubscribe: "Unsubscribe"
    edit: "Edit"
    notify: "Notify"
    rotate_secret: "RotateSecret"
    redeliver: "Redeliver"
    replay: "Replay"
    follow: "Follow"
    status: "ReadStatus"
    purge: "Purge"
    observe: "Observe"
    subscriptions: "SubscriptionStore"
    deliveries: "DeliveryStore"
    events: "EventLog"
    letters: "DeadLetterLog"
    served: "Served"
    watched: "Watched"
    catalog: "CatalogClient"
    rows: "RowsClient"
    partitions: "PartitionsClient"
    actions: "ActionsClient"
    public_url: str | None
    in_azure: bool
    checks: Sequence[Callable[[], Awaitable[None]]]
    closers: Sequence[Callable[[], Awaitable[None] | None]]
    _prepared: bool = False

    async def tidy(self) -> None:
        """Have every subscription found by its events, and nothing else."""
        await self.subscriptions.tidy(utc_now())

    async def prepare(self) -> None:
        """Create what is missing of the storage, once: Event Grid needs its queue before the first event."""
        if not self._prepared:
            await self.check()
            self._prepared = True

    async def close(self) -> None:
        """Close all connections and sessions, also after one that does not close."""
        for close in self.closers:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    if (closing := close()) is not None:
                        await closing
            except Exception:
                log.exception("bridge.unclosed")

    async def check(self) -> None:
        """Raise what keeps the storage from being used."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                # All are waited for: one that failed leaves no other behind.
                found = await asyncio.gather(*(check() for check in self.checks), return_exceptions=True)
        except TimeoutError:
            raise TransientError("storage does not answer") from None
        for error in filter(None, found):
            raise error


# What is used in this context instead of the worker's bridge.
STAND_IN: ContextVar[Bridge | None] = ContextVar("STAND_IN", default=None)


def bridge() -> Bridge:
    """The worker's bridge. Raises `SettingsError` as long as the settings are wrong."""
    return STAND_IN.get() or wired()


@functools.cache
def wired() -> Bridge:
    """The bridge for the settings of the environment, once."""
    from shared.heap import pass_over_what_stays  # noqa: PLC0415 - on first use, like all that is wired

    # At their usual level the SDKs log every request.
    logging.getLogger("azure").setLevel(logging.WARNING)
    made = compose(Settings.load())
    pass_over_what_stays()
    # The worker tells nobody that it stops; its event loop is closed by then, and what is closed now needs none.
    atexit.register(lambda: asyncio.run(made.close()))
    return made


@functools.cache
def _health() -> "Check":
    from shared.usecases.check import Check  # noqa: PLC0415 - on first use, like all use cases

    # The bridge is asked for anew each time: as long as the settings are wrong there is none.
    return Check(lambda: bridge().check(), clock=utc_now)


async def is_healthy() -> bool:
    """Whether settings and storage are usable, seconds ago at most; the log says why not."""
    return await _health()()


def compose(settings: Settings, telemetry: "Telemetry | None" = None) -> Bridge:
    """Wire the bridge for these settings; `telemetry` stands in for what they say of it."""
    from shared.wiring import wire  # noqa: PLC0415 - it loads all of Azure's SDKs

    return wire(settings, telemetry)
