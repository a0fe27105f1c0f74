"""The one place that wires: settings -> adapters -> use cases.

The bridge is built on first use, once per worker, and never at import: an app with broken settings is still indexed,
and says at each call what is wrong with them. Azure's SDKs are imported here when they are first needed.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared import __version__
from shared.errors import TransientError
from shared.settings import APPLICATION_INSIGHTS, UNRESOLVED, Settings, is_reference
from shared.telemetry import SILENCE

if TYPE_CHECKING:
    from azure.core.credentials import AzureKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.storage import Account
    from shared.insights.actions import ActionsClient
    from shared.insights.auth import TokenSource
    from shared.insights.calls import Calls
    from shared.insights.catalog import CatalogClient
    from shared.insights.partitions import PartitionsClient
    from shared.insights.rows import RowsClient
    from shared.ports import SubscriptionStore
    from shared.telemetry import Telemetry
    from shared.usecases.bury import Bury
    from shared.usecases.check import Check
    from shared.usecases.deliver import Deliver
    from shared.usecases.dispatch import Dispatch
    from shared.usecases.observe import Observe
    from shared.usecases.poll import Poll
    from shared.usecases.purge import Purge
    from shared.usecases.served import Served
    from shared.usecases.subscribe import Subscribe, Unsubscribe

USER_AGENT = f"customer-insights-event-bridge/{__version__}"
HEALTH_TIMEOUT = 10
# A flow waits 120 seconds for an answer, and a maker less for a pick-list.
ACTION_PATIENCE = timedelta(seconds=20)


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Bridge:
    """The wired use cases."""

    poll: "Poll"
    dispatch: "Dispatch"
    deliver: "Deliver"
    bury: "Bury"
    subscribe: "Subscribe"
    unsubscribe: "Unsubscribe"
    subscriptions: "SubscriptionStore"
    purge: "Purge"
    observe: "Observe"
    served: "Served"
    catalog: "CatalogClient"
    rows: "RowsClient"
    partitions: "PartitionsClient"
    actions: "ActionsClient"
    public_url: str | None
    in_azure: bool
    checks: Sequence[Callable[[], Awaitable[None]]]
    _prepared: bool = False

    async def prepare(self) -> None:
        """Create what is missing of the storage, once: Event Grid needs its queue before the first event."""
        if not self._prepared:
            await self.check()
            self._prepared = True

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


@functools.cache
def bridge() -> Bridge:
    """The worker's bridge. Raises `SettingsError` as long as the settings are wrong."""
    # At their usual level the SDKs log every request.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return compose(Settings.load())


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
    from shared.adapters.callbacks import CallbackClient  # noqa: PLC0415 - heavy imports, on first use
    from shared.adapters.checkpoint_blobs import CheckpointBlobs  # noqa: PLC0415
    from shared.adapters.cipher import CallbackCipher  # noqa: PLC0415
    from shared.adapters.delivery_queue import DELIVERIES, EVENTS, DeliveryMessages, Queue  # noqa: PLC0415
    from shared.adapters.event_grid import EventGridTopic  # noqa: PLC0415
    from shared.adapters.logs import DeadLetterTable, DeliveryTable, EventTable  # noqa: PLC0415
    from shared.adapters.subscription_table import SubscriptionTable  # noqa: PLC0415
    from shared.domain.callbacks import CallbackPolicy  # noqa: PLC0415
    from shared.insights.actions import ActionsClient  # noqa: PLC0415
    from shared.insights.catalog import CatalogClient  # noqa: PLC0415
    from shared.insights.client import InsightsClient  # noqa: PLC0415
    from shared.insights.files import FileClient  # noqa: PLC0415
    from shared.insights.partitions import PartitionsClient  # noqa: PLC0415
    from shared.insights.rows import RowsClient  # noqa: PLC0415
    from shared.insights.sessions import new_session  # noqa: PLC0415
    from shared.usecases.bury import Bury  # noqa: PLC0415
    from shared.usecases.deliver import Deliver, RetryPolicy  # noqa: PLC0415
    from shared.usecases.dispatch import Dispatch  # noqa: PLC0415
    from shared.usecases.observe import Observe  # noqa: PLC0415
    from shared.usecases.pace import Pace  # noqa: PLC0415
    from shared.usecases.poll import Poll  # noqa: PLC0415
    from shared.usecases.purge import Purge  # noqa: PLC0415
    from shared.usecases.served import Served  # noqa: PLC0415
    from shared.usecases.subscribe import Subscribe, Unsubscribe  # noqa: PLC0415

    telemetry = telemetry or _telemetry(settings)
    account = storage_account(settings)
    checkpoints, queue = CheckpointBlobs(account), DeliveryMessages(account)
    subscriptions, letters = SubscriptionTable(account), DeadLetterTable(account)
    deliveries, events = DeliveryTable(account), EventTable(account)
    incoming = Queue(account, EVENTS)
    poisoned = {f"{name}-poison": Queue(account, f"{name}-poison") for name in (EVENTS, DELIVERIES)}
    calls = _calls(settings, telemetry)
    waited_for = calls.hurried(ACTION_PATIENCE)
    policy = CallbackPolicy(settings.callback_hosts, allow_insecure=settings.callback_allow_insecure)
    callbacks = CallbackClient(policy, settings.callback_timeout.total_seconds())
    cipher = CallbackCipher(settings.callback_key, settings.callback_key_previous)
    bury = Bury(letters=letters, clock=utc_now, telemetry=telemetry)
    return Bridge(
        poll=Poll(
            insights=InsightsClient(calls),
            checkpoints=checkpoints,
            subscriptions=subscriptions,
            publisher=EventGridTopic(settings.topic_endpoint, _topic_credential(settings)),
            clock=utc_now,
            instances=settings.instances,
            telemetry=telemetry,
        ),
        dispatch=Dispatch(
            subscriptions=subscriptions, events=events, queue=queue, bury=bury, clock=utc_now, telemetry=telemetry
        ),
        deliver=Deliver(
            subscriptions=subscriptions,
            records=deliveries,
            queue=queue,
            callbacks=callbacks,
            cipher=cipher,
            bury=bury,
            pace=Pace(settings.rate_per_second),
            clock=utc_now,
            policy=RetryPolicy(settings.retry_seconds, settings.max_age, settings.callback_timeout),
            user_agent=USER_AGENT,
            telemetry=telemetry,
        ),
        bury=bury,
        subscribe=Subscribe(
            subscriptions=subscriptions,
            insights=InsightsClient(calls.hurried()),
            callbacks=callbacks,
            cipher=cipher,
            clock=utc_now,
            instances=settings.instances,
        ),
        unsubscribe=Unsubscribe(subscriptions=subscriptions),
        subscriptions=subscriptions,
        purge=Purge(logs=[deliveries, events], clock=utc_now, keep=settings.retention),
        observe=Observe(
            queues={EVENTS: incoming, DELIVERIES: queue, **poisoned},
            subscriptions=subscriptions,
            clock=utc_now,
            telemetry=telemetry,
        ),
        served=Served(settings.instances),
        catalog=CatalogClient(waited_for),
        rows=RowsClient(waited_for),
        partitions=PartitionsClient(waited_for, FileClient(new_session(), settings.insights_endpoint)),
        actions=ActionsClient(waited_for),
        public_url=settings.public_url,
        in_azure=settings.in_azure,
        checks=[store.check for store in (checkpoints, incoming, queue, subscriptions, letters, deliveries, events)],
    )


def _telemetry(settings: Settings) -> "Telemetry":
    if settings.application_insights is None:
        return SILENCE
    if is_reference(settings.application_insights):
        logging.getLogger("bridge.telemetry").error("telemetry.failed reason=%s %s", APPLICATION_INSIGHTS, UNRESOLVED)
        return SILENCE
    from shared.adapters.azure_monitor import application_insights  # noqa: PLC0415 - half a second of imports

    try:
        return application_insights(settings.application_insights)
    except Exception:
        # Events go their way whether or not somebody can watch.
        logging.getLogger("bridge.telemetry").exception("telemetry.failed")
        return SILENCE


def _calls(settings: Settings, telemetry: "Telemetry") -> "Calls":
    from shared.insights.calls import Calls  # noqa: PLC0415 - heavy imports, on first use
    from shared.insights.metering import meter  # noqa: PLC0415
    from shared.insights.sessions import new_session  # noqa: PLC0415

    return Calls(
        endpoint=settings.insights_endpoint,
        workflow=settings.workflow,
        subscription_key=settings.insights_subscription_key,
        tokens=insights_tokens(settings),
        session=meter(new_session(), telemetry),
    )


def insights_tokens(settings: Settings) -> "TokenSource":
    """Where the tokens for Customer Insights come from."""
    from shared.insights import auth  # noqa: PLC0415 - heavy imports, on first use

    if settings.insights_access_token is not None:
        return auth.FixedToken(settings.insights_access_token)
    if (app := settings.app_registration) is not None:
        return auth.app_registration(
            settings.insights_scope,
            tenant_id=app.tenant_id,
            client_id=app.client_id,
            client_secret=app.client_secret,
        )
    return auth.default_identity(settings.insights_scope, managed_identity_client_id=settings.storage.client_id)


def azure_identity(settings: Settings) -> "AsyncTokenCredential":
    """The app's identity in Azure, or the developer's login."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - not needed where keys are given

    if settings.storage.client_id is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(managed_identity_client_id=settings.storage.client_id)


def storage_account(settings: Settings) -> "Account":
    """The storage account and how to get into it."""
    from shared.adapters.storage import Account  # noqa: PLC0415 - heavy imports, on first use

    storage = settings.storage
    if storage.connection_string is not None:
        return Account(storage.connection_string)
    return Account(None, storage.blob_url, storage.queue_url, storage.table_url, azure_identity(settings))


def _topic_credential(settings: Settings) -> "AzureKeyCredential | AsyncTokenCredential":
    if settings.topic_key is None:
        return azure_identity(settings)
    from azure.core.credentials import AzureKeyCredential  # noqa: PLC0415 - heavy imports, on first use

    return AzureKeyCredential(settings.topic_key)
