"""Wire the bridge: settings -> adapters -> use cases.

Importing this loads all of Azure's SDKs, so nothing imports it before the bridge is first needed.
"""

import logging
from datetime import timedelta

from azure.core.credentials_async import AsyncTokenCredential

from shared import __version__
from shared.access import insights_tokens, storage_account, topic_credential
from shared.adapters.callbacks import CallbackClient
from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.cipher import CallbackCipher
from shared.adapters.delivery_table import DeliveryTable
from shared.adapters.due_table import DueTable
from shared.adapters.event_grid import EventGridTopic
from shared.adapters.event_table import EventTable
from shared.adapters.letter_table import DeadLetterTable
from shared.adapters.poll_table import PollTable
from shared.adapters.queues import (
    DELIVERIES,
    EVENTS,
    POLLS,
    RELEASES,
    DeliveryMessages,
    PollMessages,
    Queue,
    ReleaseMessages,
)
from shared.adapters.subscription_table import SubscriptionTable
from shared.adapters.timer_table import TimerTable
from shared.composition import Bridge, utc_now
from shared.domain.callbacks import CallbackPolicy
from shared.domain.deliveries import RetryPolicy
from shared.heap import keep_heap_small
from shared.insights.actions import ActionsClient
from shared.insights.calls import Calls
from shared.insights.catalog import CatalogClient
from shared.insights.client import InsightsClient
from shared.insights.files import FileClient
from shared.insights.metering import meter
from shared.insights.partitions import PartitionsClient
from shared.insights.rows import RowsClient
from shared.insights.sessions import new_session
from shared.settings import APPLICATION_INSIGHTS, UNRESOLVED, Settings, is_reference
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.bury import Bury
from shared.usecases.observe import Observe
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.usecases.status import ReadStatus
from shared.usecases.watched import Watched
from shared.wiring_delivering import wire_delivering
from shared.wiring_managing import wire_managing
from shared.wiring_polling import wire_polling

USER_AGENT = f"customer-insights-event-bridge/{__version__}"
# A flow waits 120 seconds for an answer, and a maker less for a pick-list.
ACTION_PATIENCE = timedelta(seconds=20)


def wire(settings: Settings, telemetry: Telemetry | None = None) -> Bridge:
    """Wire the bridge for these settings; `telemetry` stands in for what they say of it."""
    keep_heap_small()
    telemetry, clock = telemetry or _telemetry(settings), utc_now
    account = storage_account(settings)
    checkpoints, due = CheckpointBlobs(account), DueTable(account)
    incoming, queue, releases = Queue(account, EVENTS), DeliveryMessages(account), ReleaseMessages(account)
    shared_out, timers, served = PollMessages(account), TimerTable(account), Served(settings.instances)
    subscriptions, deliveries = SubscriptionTable(account), DeliveryTable(account, clock)
    events, letters, polls = EventTable(account, clock), DeadLetterTable(account), PollTable(account)
    poisoned = {f"{name}-poison": Queue(account, f"{name}-poison") for name in (EVENTS, DELIVERIES)}
    queues = {EVENTS: incoming, DELIVERIES: queue, RELEASES: releases, POLLS: shared_out, **poisoned}
    calls = _calls(settings, telemetry)
    waited_for = calls.hurried(ACTION_PATIENCE)
    policy = CallbackPolicy(settings.callback_hosts, allow_insecure=settings.callback_allow_insecure)
    callbacks = CallbackClient(policy, settings.callback_timeout.total_seconds())
    cipher = CallbackCipher(settings.callback_key, settings.callback_key_previous)

    bury = Bury(letters=letters, clock=clock, telemetry=telemetry)
    publishing = topic_credential(settings)
    topic = EventGridTopic(settings.topic_endpoint, publishing)
    publish = Publish(publisher=topic, bury=bury, clock=clock, telemetry=telemetry)
    delivering = wire_delivering(
        subscriptions=subscriptions,
        deliveries=deliveries,
        events=events,
        logs=[deliveries, events],
        due=due,
        incoming=incoming,
        queue=queue,
        releases=releases,
        callbacks=callbacks,
        cipher=cipher,
        publish=publish,
        bury=bury,
        policy=RetryPolicy(settings.retry_seconds, settings.max_age),
        timeout=settings.callback_timeout,
        per_second=settings.rate_per_second,
        keep=settings.retention,
        user_agent=USER_AGENT,
        clock=clock,
        telemetry=telemetry,
    )
    managing = wire_managing(
        subscriptions=subscriptions,
        deliveries=deliveries,
        events=events,
        letters=letters,
        insights=InsightsClient(calls.hurried()),
        served=served,
        callbacks=callbacks,
        cipher=cipher,
        delivering=delivering,
        clock=clock,
    )
    files = FileClient(new_session(), settings.insights_endpoint)
    stores = (
        *(checkpoints, incoming, queue, releases, shared_out),
        *(subscriptions, deliveries, due, events, letters, polls),
    )
    credentials = [one for one in (account.credential, publishing) if isinstance(one, AsyncTokenCredential)]
    polling = wire_polling(
        insights=InsightsClient(calls),
        served=served,
        checkpoints=checkpoints,
        subscriptions=subscriptions,
        publish=publish,
        polls=polls,
        timers=timers,
        queue=shared_out,
        budget=calls.budget,
        bury=bury,
        ticks=dict.fromkeys(REFRESHES, settings.refreshes_schedule.after)
        | dict.fromkeys(THRESHOLDS, settings.thresholds_schedule.after),
        inline_max=settings.poll_inline_max,
        failed_after=settings.polling_failed_after,
        clock=clock,
        telemetry=telemetry,
    )
    return Bridge(
        poll=polling.poll,
        poll_message=polling.message,
        timers=polling.timers,
        dispatch=delivering.dispatch,
        deliver=delivering.deliver,
        release=delivering.release,
        patience=delivering.patience,
        agenda=delivering.agenda,
        notify=delivering.notify,
        purge=delivering.purge,
        subscribe=managing.subscribe,
        unsubscribe=managing.unsubscribe,
        edit=managing.edit,
        rotate_secret=managing.rotate_secret,
        follow=managing.follow,
        redeliver=managing.redeliver,
        replay=managing.replay,
        status=ReadStatus(
            polls=polls,
            subscriptions=subscriptions,
            deliveries=deliveries,
            letters=letters,
            timers=timers,
            queues=queues,
        ),
        observe=Observe(
            queues=queues,
            subscriptions=subscriptions,
            deliveries=deliveries,
            clock=clock,
            telemetry=telemetry,
        ),
        subscriptions=subscriptions,
        deliveries=deliveries,
        events=events,
        letters=letters,
        served=served,
        watched=Watched(subscriptions=subscriptions),
        catalog=CatalogClient(waited_for),
        rows=RowsClient(waited_for),
        partitions=PartitionsClient(waited_for, files),
        actions=ActionsClient(waited_for),
        public_url=settings.public_url,
        in_azure=settings.in_azure,
        checks=[store.check for store in stores],
        closers=[
            *(store.close for store in stores),
            *(queue.close for queue in poisoned.values()),
            *(credential.close for credential in credentials),
            *(timers.close, topic.close, callbacks.close, files.close, calls.close),
        ],
    )


def _telemetry(settings: Settings) -> Telemetry:
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


def _calls(settings: Settings, telemetry: Telemetry) -> Calls:
    return Calls(
        endpoint=settings.insights_endpoint,
        workflow=settings.workflow,
        subscription_key=settings.insights_subscription_key,
        tokens=insights_tokens(settings),
        session=meter(new_session(), telemetry),
    )
