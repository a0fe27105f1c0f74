"""Telemetry of the composed bridge on real storage, a real topic's double and a real host."""

import json
from collections import Counter

import pytest

from shared.composition import compose
from shared.settings import Settings
from shared.telemetry import API_DURATION, EVENTS_PUBLISHED, OLDEST_PENDING, POLL_DURATION, SPANS, SUBSCRIPTIONS
from shared.usecases.poll import REFRESHES
from tests.integration.conftest import DATA_SOURCE_FAILED, KEY, TOKEN, World, now
from tests.telemetry.ingestion import QUIET, Ingestion
from tests.telemetry.recorder import Recorder

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_trace_of_the_poll_reaches_the_flow_and_the_stages_are_measured(world: World) -> None:
    instance, recorder = world.instance(), Recorder()
    await world.subscribe(DATA_SOURCE_FAILED, "traced", instance)
    await world.cycle()
    settings = Settings.load({**world.stack.settings, "CUSTOMER_INSIGHTS_INSTANCES": instance.id})
    bridge = compose(settings, recorder.telemetry)
    instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
    await bridge.poll(REFRESHES)
    await world.settle()

    [call] = world.stack.flows.of("traced")
    [poll] = [span for span in recorder.spans("poll") if (span.attributes or {})["family"] == "data-sources"]
    trace = f"{poll.get_span_context().trace_id:032x}"
    # The host that dispatches and delivers has no telemetry: it passes on what the event carries.
    assert call.headers["traceparent"] == call.event["traceparent"]
    assert call.headers["traceparent"].split("-")[1] == trace
    assert recorder.counted(POLL_DURATION) == {("data-sources", "succeeded"): 1, ("jobs", "succeeded"): 1}
    assert set(recorder.counted(EVENTS_PUBLISHED)) >= {("CustomerInsights.DataSource.RefreshFailed",)}
    assert set(recorder.counted(API_DURATION)) <= {("succeeded",), ("notFound",)}
    assert recorder.counted(API_DURATION)[("succeeded",)] >= 3

    await bridge.observe()
    waiting = {point.dimensions["queue"]: point.sum for point in recorder.of(OLDEST_PENDING)}
    assert set(waiting) == {"events", "deliveries", "releases", "polls", "events-poison", "deliveries-poison"}
    assert waiting["deliveries"] == 0
    counts = {point.dimensions["status"]: point.sum for point in recorder.of(SUBSCRIPTIONS)}
    assert counts["active"] >= 1
    await bridge.close()


async def test_the_host_s_telemetry_is_one_trace_with_its_log_and_without_secrets(world: World) -> None:
    instance = world.instance()
    await world.subscribe(DATA_SOURCE_FAILED, "watched", instance)
    await world.cycle()
    with Ingestion().serving() as ingestion:
        await world.restart(
            APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
            PYTHON_ENABLE_OPENTELEMETRY="true",
            CUSTOMER_INSIGHTS_INSTANCES=instance.id,
            **QUIET,
        )
        instance.refresh_data_source(instance.data_source("Web").id, ok=False, at=now())
        await world.cycle()
        assert await world.stack.run_timer("observe")
        await world.stack.stop_host()  # what is not sent yet is sent then

    [call] = world.stack.flows.of("watched")
    trace = call.headers["traceparent"].split("-")[1]
    spans = [item for item in ingestion.of("RemoteDependencyData") if item["tags"]["ai.operation.id"] == trace]
    assert Counter(span["name"] for span in spans) == {"poll": 1, "publish": 1, "dispatch": 1, "deliver": 1}
    names = {item["name"] for item in ingestion.of("RemoteDependencyData")}
    assert names == {span.name for span in SPANS}  # no request of an SDK is a span of its own
    assert ingestion.of("RequestData") == []
    [deliver] = [span for span in spans if span["name"] == "deliver"]
    assert deliver["id"] == call.headers["traceparent"].split("-")[2]
    assert deliver["properties"]["event"] == call.event["id"]
    lines = [item["message"] for item in ingestion.of("MessageData") if item["tags"]["ai.operation.id"] == trace]
    assert {line.split()[0] for line in lines} >= {"event.published", "event.dispatched", "delivery.delivered"}
    metrics = {item["metrics"][0]["name"] for item in ingestion.of("MetricData")}
    assert metrics >= {"bridge.poll.duration", "bridge.delivery.latency", "bridge.queue.oldest", "bridge.subscriptions"}

    sent = json.dumps(ingestion.items)
    path = world.stack.flows.url("watched").split("/", 3)[3]
    for secret in (TOKEN, KEY, path, world.stack.settings["CALLBACK_ENCRYPTION_KEY"]):
        assert secret not in sent
