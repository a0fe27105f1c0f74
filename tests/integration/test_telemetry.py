"""Telemetry of the composed bridge on real storage, a real topic's double and a real host."""

import pytest

from shared.composition import compose
from shared.settings import Settings
from shared.telemetry import API_DURATION, EVENTS_PUBLISHED, OLDEST_PENDING, POLL_DURATION, SUBSCRIPTIONS
from shared.usecases.poll import REFRESHES
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now
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
    assert set(waiting) == {"events", "deliveries", "events-poison", "deliveries-poison"}
    assert waiting["deliveries"] == 0
    counts = {point.dimensions["status"]: point.sum for point in recorder.of(SUBSCRIPTIONS)}
    assert counts["active"] >= 1
    for part in (
        bridge.poll._checkpoints,
        bridge.poll._publisher,
        bridge.subscriptions,
        *bridge.observe._queues.values(),
    ):
        await part.close()  # type: ignore[attr-defined]
