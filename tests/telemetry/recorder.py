"""Records telemetry in memory, with OpenTelemetry's own SDK: what the bridge would have exported, and its log."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.monitor.opentelemetry.exporter.export.metrics._exporter import APPLICATION_INSIGHTS_METRIC_TEMPORALITIES
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.adapters.azure_monitor import LOGGER
from shared.adapters.open_telemetry import OpenTelemetry
from shared.telemetry import Metric
from tests.leaks import shapes_in


@dataclass(frozen=True)
class Point:
    """What one export says of one metric for one combination of its dimensions."""

    name: str
    dimensions: Mapping[str, str]
    count: int
    sum: float
    min: float | None
    max: float | None


@dataclass
class Recorder(logging.Handler):
    """Telemetry to inject, and what has come of it since the last look."""

    points: list[Point] = field(default_factory=list)
    records: list[logging.LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.INFO)
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        # As Azure Monitor's exporter asks for it: what is exported is what came since the last export.
        self._reader = InMemoryMetricReader(preferred_temporality=APPLICATION_INSIGHTS_METRIC_TEMPORALITIES)
        self.telemetry = OpenTelemetry(self.tracers, MeterProvider([self._reader]))

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record the bridge's log as well."""
        logger = logging.getLogger(LOGGER)
        level = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)

    def export(self) -> Sequence[Point]:
        """What an export would send of the metrics now; also added to `points`."""
        data = self._reader.get_metrics_data()
        found = [
            _point(metric.name, point)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]
        self.points += found
        return found

    def of(self, metric: Metric) -> list[Point]:
        """The points of a metric."""
        self.export()
        return [point for point in self.points if point.name == metric.name]

    def counted(self, metric: Metric) -> dict[tuple[str, ...], float]:
        """A metric by its dimensions' values: how much was counted, or how often it was measured."""
        found: dict[tuple[str, ...], float] = {}
        for point in self.of(metric):
            key = tuple(point.dimensions[name] for name in metric.dimensions)
            found[key] = found.get(key, 0) + (point.sum if metric.kind == "counter" else point.count)
        return found

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """The spans so far, which tell no secret."""
        assert shapes_in("".join(span.to_json() for span in self._spans.get_finished_spans())) == set()
        return [span for span in self._spans.get_finished_spans() if name in {None, span.name}]

    def take_spans(self) -> list[ReadableSpan]:
        found = self.spans()
        self._spans.clear()
        return found


def _point(name: str, point: Any) -> Point:  # noqa: ANN401 - one of the SDK's kinds of points
    dimensions = {str(key): str(value) for key, value in (point.attributes or {}).items()}
    if isinstance(point, HistogramDataPoint):
        return Point(name, dimensions, point.count, point.sum, point.min, point.max)
    assert isinstance(point, NumberDataPoint)
    return Point(name, dimensions, 1, point.value, None, None)
