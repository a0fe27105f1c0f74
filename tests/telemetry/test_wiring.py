"""Where telemetry goes: nowhere at no cost, or to Application Insights by the SDK, as the settings say."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.telemetry.ingestion import QUIET, Ingestion

ROOT = Path(__file__).parents[2]
SAMPLE: Mapping[str, str] = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
SDKS = ("opentelemetry.sdk", "azure.monitor")

LOADED = """
import sys
from shared.composition import bridge
bridge()
print([name for name in sys.modules if name.startswith({sdks!r})])
"""

TELLING = """
import logging
from opentelemetry import metrics, trace
from shared import telemetry
from shared.composition import _telemetry
from shared.settings import Settings
told = _telemetry(Settings.load())
assert told.is_on
for _ in range(40):
    with told.span(telemetry.DELIVER, parent="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", event="e", attempt=2) as span:
        span.note(outcome="retry", latency=1.5)
        span.fail("HTTP 500")
with told.span(telemetry.POLL, instance="i1", family="jobs") as span:
    span.discard()
with told.span(telemetry.PUBLISH, instance="i1"):
    logging.getLogger("bridge.poll").warning("poll.failed instance=%s family=%s: %s", "i1", "jobs", "why")
logging.getLogger("elsewhere").warning("not the bridge's")
told.measure(telemetry.POLL_DURATION, 2, family="jobs", outcome="failed")
told.measure(telemetry.POLL_DURATION, 4, family="jobs", outcome="failed")
told.measure(telemetry.EVENTS_PUBLISHED, type="t")
told.measure(telemetry.EVENTS_PUBLISHED, type="t")
told.measure(telemetry.OLDEST_PENDING, 7, queue="events")
metrics.get_meter_provider().force_flush()
trace.get_tracer_provider().force_flush()
from opentelemetry._logs import get_logger_provider
get_logger_provider().force_flush()
"""


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **SAMPLE,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        **QUIET,
        **settings,
    }
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with Ingestion().serving() as served:
        yield served


def test_without_a_connection_string_no_telemetry_sdk_is_loaded() -> None:
    code = LOADED.format(sdks=SDKS)
    assert run(code).stdout.strip() == "[]"
    # The same check sees them where they are loaded.
    loaded = run(f"import opentelemetry.sdk.trace\n{code}").stdout
    assert "opentelemetry.sdk.trace" in loaded


def test_a_connection_string_that_leads_nowhere_stops_nothing_but_telemetry() -> None:
    done = run(LOADED.format(sdks=()) + "print('composed')", APPLICATIONINSIGHTS_CONNECTION_STRING="nonsense")
    assert done.stdout.endswith("composed\n")
    assert "telemetry.failed" in done.stderr


def test_application_insights_receives_what_is_told_and_nothing_else(ingestion: Ingestion) -> None:
    run(TELLING, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
    deliveries = [item for item in ingestion.of("RemoteDependencyData") if item["name"] == "deliver"]
    assert len(deliveries) == 40  # none is sampled away
    one = deliveries[0]
    assert one["properties"] == {
        "event": "e",
        "attempt": "2",
        "outcome": "retry",
        "latency": "1.5",
        "reason": "HTTP 500",
    } | {key: value for key, value in one["properties"].items() if key.startswith("_MS.")}
    assert (one["success"], one["tags"]["ai.operation.id"]) == (False, "ab" * 16)
    assert one.get("sampleRate", 100) == 100
    assert {item["name"] for item in ingestion.of("RemoteDependencyData")} == {"deliver", "publish"}
    assert ingestion.of("RequestData") == []

    [line] = [item for item in ingestion.of("MessageData") if item["message"].startswith("poll.")]
    [publish] = [item for item in ingestion.of("RemoteDependencyData") if item["name"] == "publish"]
    assert line["message"] == "poll.failed instance=i1 family=jobs: why"
    assert line["tags"]["ai.operation.id"] == publish["tags"]["ai.operation.id"]
    assert not any("not the bridge's" in item["message"] for item in ingestion.of("MessageData"))

    told = {item["metrics"][0]["name"]: item for item in ingestion.of("MetricData")}
    polls, published, oldest = (
        told[f"bridge.{name}"] for name in ("poll.duration", "events.published", "queue.oldest")
    )
    assert polls["properties"] == {"family": "jobs", "outcome": "failed"}
    figures = {key: polls["metrics"][0][key] for key in ("count", "value", "min", "max")}
    assert figures == {"count": 2, "value": 6, "min": 2, "max": 4}
    assert (published["metrics"][0]["value"], published["properties"]) == (2, {"type": "t"})
    assert (oldest["metrics"][0]["value"], oldest["properties"]) == (7, {"queue": "events"})
    assert {name for name in told if not name.startswith("bridge.")} <= {"_OTELRESOURCE_"}


def test_fewer_traces_are_kept_where_the_standard_settings_say_so(ingestion: Ingestion) -> None:
    run(
        TELLING,
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
        OTEL_TRACES_SAMPLER="always_off",
    )
    assert ingestion.of("RemoteDependencyData") == []
    assert ingestion.of("MetricData")


def test_the_ingestion_is_entered_with_the_identity_that_the_setting_names() -> None:
    code = """
from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter
asked = []
import azure.monitor.opentelemetry.exporter.export._base as base
class Identity:
    def __init__(self, **which): asked.append(which)
    def get_token(self, *scopes, **_): raise RuntimeError
base.ManagedIdentityCredential = Identity
from shared.composition import bridge
bridge()
print(asked[0])
"""
    done = run(
        code,
        APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=12345678-1234-1234-1234-123456789abc",
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING="ClientId=my-identity;Authorization=AAD",
        OTEL_SDK_DISABLED="false",
    )
    assert done.stdout.strip() == "{'client_id': 'my-identity'}"
