"""Telemetry to Application Insights: Azure Monitor's distribution of OpenTelemetry, set up for the bridge.

With APPLICATIONINSIGHTS_AUTHENTICATION_STRING the distribution itself signs in to the ingestion with the identity that
stands there. That nothing arrives twice is a matter of settings: PYTHON_ENABLE_OPENTELEMETRY and host.json's
telemetryMode have the Functions host leave the worker's log to what is set up here.
"""

from opentelemetry import metrics, trace

from shared.adapters.open_telemetry import OpenTelemetry

# All of the bridge's loggers are below this one; Azure's SDKs have theirs elsewhere.
LOGGER = "bridge"

# The share of traces that is kept. Left alone, the distribution keeps five a second, and what a flow's maker asks for
# is never among them. Idle polls leave no span, so a trace is one of something that happened or failed. To pay for
# less, set OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, which go before this; metrics are never sampled.
SAMPLING_RATIO = 1.0

# The distribution would add a span for every request of Azure's SDKs and of `requests`: several for each that matters.
SILENCED = ("azure_sdk", "django", "fastapi", "flask", "httpx", "psycopg2", "requests", "urllib", "urllib3")


def application_insights(connection_string: str) -> OpenTelemetry:
    """Send metrics, spans and the bridge's log there; once per process. Raises ValueError for what leads nowhere."""
    from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 - its import starts a process

    configure_azure_monitor(
        connection_string=connection_string,
        logger_name=LOGGER,
        sampling_ratio=SAMPLING_RATIO,
        instrumentation_options={name: {"enabled": False} for name in SILENCED},
        enable_live_metrics=False,
        enable_performance_counters=False,
    )
    return OpenTelemetry(trace.get_tracer_provider(), metrics.get_meter_provider())
