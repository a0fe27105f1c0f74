"""Telemetry through the OpenTelemetry API: its instruments and tracer, whatever SDK and exporter stand behind them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, MeterProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.telemetry import METRICS, Metric, Span, SpanName, Value

SCOPE = "bridge"
KINDS = {"internal": SpanKind.INTERNAL, "producer": SpanKind.PRODUCER, "client": SpanKind.CLIENT}
MAX_REASON = 300

type _Record = Callable[[float, Mapping[str, str]], None]

_w3c = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Measures and traces through the given providers."""

    is_on = True

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._tracer = tracers.get_tracer(SCOPE)
        meter = meters.get_meter(SCOPE)
        self._records = {metric.name: _instrument(meter, metric) for metric in METRICS}

    def measure(self, metric: Metric, value: float = 1, **dimensions: str) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""
        self._records[metric.name](value, dimensions)

    @contextmanager
    def span(self, name: SpanName, *, parent: str | None = None, **attributes: Value | None) -> Iterator[Span]:
        """Begin a span; one with a parent elsewhere is linked to what runs here."""
        context, links = None, []
        if parent is not None:
            context = _w3c.extract({"traceparent": parent}, Context())
            here = trace.get_current_span().get_span_context()
            links = [Link(here)] if here.is_valid else []
        # No exception is recorded: its stack would be a second place for its text, and only the first is looked after.
        span = self._tracer.start_span(
            name.name, context, KINDS[name.kind], links=links, record_exception=False, set_status_on_exception=False
        )
        active = _ActiveSpan(span)
        active.note(**attributes)
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                yield active
            except BaseException as error:
                active.fail(type(error).__name__)
                raise
            finally:
                active.end()


class _ActiveSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._is_discarded = False

    @property
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _w3c.inject(carrier, trace.set_span_in_context(self._span, Context()))
        return carrier.get("traceparent")

    def note(self, **attributes: Value | None) -> None:
        self._span.set_attributes({key: value for key, value in attributes.items() if value is not None})

    def fail(self, reason: str) -> None:
        self.note(reason=reason[:MAX_REASON])
        self._span.set_status(Status(StatusCode.ERROR))

    def discard(self) -> None:
        # Only a span that ends is exported.
        self._is_discarded = True

    def end(self) -> None:
        if not self._is_discarded:
            self._span.end()


def _instrument(meter: Meter, metric: Metric) -> _Record:
    match metric.kind:
        case "counter":
            return meter.create_counter(metric.name, metric.unit, metric.description).add
        case "histogram":
            return meter.create_histogram(metric.name, metric.unit, metric.description).record
        case "gauge":
            return meter.create_gauge(metric.name, metric.unit, metric.description).set
