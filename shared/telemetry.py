"""What the bridge tells of itself: all metrics, spans, dimensions and log events by name, and the interface to tell.

Nothing here knows where telemetry goes. Dimensions take few values, whatever the load: an event's or a subscription's
id belongs on a span.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

type Value = str | int | float


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; `unit` is UCUM's, `dimensions` are all that a measurement must give."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    dimensions: tuple[str, ...] = ()


POLL_DURATION = Metric(
    "bridge.poll.duration",
    "histogram",
    "s",
    "Polls of one family of one instance: how many, how long, and whether they succeeded or failed.",
    ("family", "outcome"),
)
POLL_FAILURES = Metric(
    "bridge.poll.failures",
    "counter",
    "{poll}",
    "Failed polls. Only failures are told by instance: a row a minute for each healthy one would cost and say nothing.",
    ("instance", "family"),
)
POLL_LAG = Metric(
    "bridge.poll.lag", "histogram", "s", "From an occurrence in Customer Insights to its publication.", ("type",)
)
POLL_WAIT = Metric(
    "bridge.poll.wait",
    "gauge",
    "s",
    "When polling begins: for how long the instance that waits longest was not polled.",
    ("family",),
)
SLOTS = Metric(
    "bridge.poll.slots",
    "histogram",
    "s",
    "Runs of polling, by what began them, a timer or the heartbeat: how many, and in how long the third next is due.",
    ("families", "opener"),
)
INSTANCES_LEFT = Metric(
    "bridge.instances.left", "gauge", "{instance}", "Instances that were polled, and are not served any more."
)
API_DURATION = Metric(
    "bridge.api.duration",
    "histogram",
    "s",
    "Requests to the Customer Insights API, repetitions included: how many, how long, and how they ended.",
    ("outcome",),
)
EVENTS_PUBLISHED = Metric(
    "bridge.events.published", "counter", "{event}", "Events that the topic has taken, repeats included.", ("type",)
)
ATTEMPT_DURATION = Metric(
    "bridge.attempt.duration",
    "histogram",
    "s",
    "Calls of flows: how many, how long, and what their answers mean.",
    ("outcome",),
)
DELIVERIES = Metric(
    "bridge.deliveries", "counter", "{delivery}", "Deliveries that ended: delivered or dead.", ("outcome", "type")
)
DELIVERY_LATENCY = Metric(
    "bridge.delivery.latency",
    "histogram",
    "s",
    "End to end: from an occurrence in Customer Insights to the flow's 2xx.",
    ("type",),
)
DEAD_LETTERS = Metric("bridge.deadletters", "counter", "{letter}", "Dead letters recorded, by kind.", ("kind",))
POISON_MESSAGES = Metric(
    "bridge.messages.poisoned", "counter", "{message}", "Messages that a queue function gave up.", ("queue",)
)
OLDEST_PENDING = Metric(
    "bridge.queue.oldest", "gauge", "s", "The age of the oldest message that waits in a queue; 0: none.", ("queue",)
)
HELD = Metric(
    "bridge.deliveries.held",
    "gauge",
    "{delivery}",
    "Deliveries held in backlogs, by the status of their subscriptions; of each, at most 1,000 are counted.",
    ("status",),
)
SUBSCRIPTIONS = Metric("bridge.subscriptions", "gauge", "{subscription}", "Subscriptions, by status.", ("status",))

METRICS = (
    POLL_DURATION,
    POLL_FAILURES,
    POLL_LAG,
    POLL_WAIT,
    SLOTS,
    INSTANCES_LEFT,
    API_DURATION,
    EVENTS_PUBLISHED,
    ATTEMPT_DURATION,
    DELIVERIES,
    DELIVERY_LATENCY,
    DEAD_LETTERS,
    POISON_MESSAGES,
    OLDEST_PENDING,
    HELD,
    SUBSCRIPTIONS,
)


@dataclass(frozen=True, slots=True)
class SpanName:
    """A span's name, its kind, and all attributes that it may have."""

    name: str
    kind: Literal["internal", "producer", "client"]
    attributes: tuple[str, ...]


# No span is of the kind that Application Insights stores as a request: the Functions host stores one per invocation.
POLL = SpanName("poll", "internal", ("instance", "family", "events", "reason"))
PUBLISH = SpanName("publish", "producer", ("instance", "family", "events", "reason"))
DISPATCH = SpanName("dispatch", "internal", ("event", "type", "instance", "deliveries", "reason"))
DELIVER = SpanName(
    "deliver",
    "client",
    (
        "event",
        "type",
        "instance",
        "subscription",
        "label",  # whose flow it is, as its maker wrote it
        "attempt",
        "age",  # seconds since dispatch
        "outcome",
        "stage",
        "status",
        "latency",  # seconds from the occurrence to the flow's 2xx
        "reason",
    ),
)
SPANS = (POLL, PUBLISH, DISPATCH, DELIVER)

# The first word of every line in the log: `subscription.taken id=… trigger=…`. What a line tells after it, the place
# that writes it decides; a name stays what it is, because queries look for it.
LOG_EVENTS = frozenset(
    {
        "bridge.unclosed",
        "callback.unreadable",
        "deadletter.recorded",
        "deadletters.redelivered",
        "delivery.delivered",
        "delivery.interrupted",
        "delivery.superseded",
        "delivery.unwanted",
        "event.dispatched",
        "event.published",
        "events.replayed",
        "health.failed",
        "health.recovered",
        "heartbeat.failed",
        "instance.forgotten",
        "instance.left",
        "logs.purged",
        "measure.unreadable",
        "message.given_up",
        "notice.left",
        "poll.expired",
        "poll.failed",
        "poll.recovered",
        "poll.succeeded",
        "poll.superseded",
        "poll.unreported",
        "request.failed",
        "resource.omitted",
        "secret.rotated",
        "secret.unreadable",
        "signpost.kept",
        "signpost.left",
        "signpost.removed",
        "subscription.edited",
        "subscription.ended",
        "subscription.failing",
        "subscription.kept",
        "subscription.mended",
        "subscription.resumed",
        "subscription.suspended",
        "subscription.taken",
        "subscription.unchecked",
        "subscription.unreadable",
        "telemetry.failed",
        "timer.missed",
    }
)


class Span(Protocol):
    """A piece of work under way, as a part of a trace."""

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context of what is caused from here; None when nobody traces."""
        ...

    def note(self, **attributes: Value | None) -> None:
        """Tell more of the work; None is left out."""
        ...

    def fail(self, reason: str) -> None:
        """Say that the work failed, and why, without any secret."""
        ...

    def discard(self) -> None:
        """Forget the span: the work came to nothing worth a trace."""
        ...


class Telemetry(Protocol):
    """Where measurements and spans go. Raises nothing."""

    @property
    def is_on(self) -> bool:
        """Whether anybody listens: what is measured for this alone need not be."""
        ...

    def measure(self, metric: Metric, value: float = 1, **dimensions: str) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""
        ...

    def span(
        self, name: SpanName, *, parent: str | None = None, **attributes: Value | None
    ) -> AbstractContextManager[Span]:
        """Begin a span, in the trace of `parent` where that is given; it ends with the context, failed by an error."""
        ...


class _NoSpan:
    traceparent = None

    def note(self, **attributes: Value | None) -> None:
        """Do nothing."""

    def fail(self, reason: str) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class _Silence:
    """Tells nobody anything, at no cost."""

    is_on = False
    _span: AbstractContextManager[Span] = nullcontext(_NoSpan())

    def measure(self, metric: Metric, value: float = 1, **dimensions: str) -> None:
        """Do nothing."""

    def span(
        self, name: SpanName, *, parent: str | None = None, **attributes: Value | None
    ) -> AbstractContextManager[Span]:
        """Give a span that does nothing."""
        del name, parent, attributes
        return self._span


SILENCE: Telemetry = _Silence()
