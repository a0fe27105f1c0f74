"""Where telemetry goes: nowhere at no cost, or to Application Insights by the SDK, as the settings say."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

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
from shared.wiring import _telemetry
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

ENTERING = """
import os
from opentelemetry import trace
from shared import telemetry
from shared.wiring import _telemetry
from shared.settings import Settings
with _telemetry(Settings.load()).span(telemetry.POLL):
    pass
trace.get_tracer_provider().force_flush()
os._exit(0)  # nothing more needs to be sent
"""


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    # What cannot be sent the SDK keeps among the temporary files, and the next process sends it: each has its own.
    with TemporaryDirectory() as folder:
        environment = {
            **SAMPLE,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TMPDIR": folder,
            **QUIET,
            **settings,
        }
        return subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
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
    asked: list[str] = []

    class Identities(BaseHTTPRequestHandler):
        """App Service's own source of a managed identity's tokens."""

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                b'{"access_token": "t", "expires_on": "99999999999", "resource": "r", "token_type": "Bearer"}'
            )

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Identities) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        nowhere = "InstrumentationKey=12345678-1234-1234-1234-123456789abc;IngestionEndpoint=https://127.0.0.1:1/"
        run(
            ENTERING,
            APPLICATIONINSIGHTS_CONNECTION_STRING=nowhere,
            APPLICATIONINSIGHTS_AUTHENTICATION_STRING="ClientId=my-identity;Authorization=AAD",
            IDENTITY_ENDPOINT=f"http://127.0.0.1:{server.server_port}/token",
            IDENTITY_HEADER="secret",
        )
        server.shutdown()
        thread.join()
    assert asked
    assert all("client_id=my-identity" in path and "monitor.azure.com" in path for path in asked)
