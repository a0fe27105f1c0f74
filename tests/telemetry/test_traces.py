"""One trace from the poll to the callback, carried by the event, the queue messages and the callback's headers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Family
from shared.domain.deliveries import New
from shared.domain.events.envelope import Event
from shared.domain.messages import decode_delivery, encode_new
from shared.errors import TransientError
from shared.telemetry import SPANS
from shared.usecases.edit import Edits
from shared.usecases.poll_many import PollFailedError
from tests.telemetry.recorder import Recorder
from tests.telemetry.test_metrics import REFRESHED, STAGE, Polls
from tests.usecases import test_poll
from tests.usecases.world import EVENT, URL, World, subscription

ELSEWHERE = f"00-{'ab' * 16}-{'cd' * 8}-01"


class Way:
    """Everything between the tenant and the flow, stage by stage; the queues' messages are handed on as they are."""

    def __init__(self) -> None:
        self.polls = Polls("i1")
        self.recorder = self.polls.recorder
        mine = replace(subscription(id_="s1", slug="system-refresh-completed"), label="Tells sales")
        self.world = World(of=mine, telemetry=self.recorder.telemetry)
        self.world.queue.messages.clear()
        self.dispatch = self.world.delivering.dispatch

    async def go(self, *answers: Answer) -> None:
        if answers:
            self.world.callbacks.answers[URL] = list(answers)
        await self.polls.poll([Family.JOBS])
        self.polls.show("i1", 2, (5,), (5,))
        await self.polls.poll([Family.JOBS])
        for event in self.polls.publisher.events:
            await self.dispatch(json.dumps(event))
        await self.world.run()

    def event(self) -> Mapping[str, Any]:
        """The event that the flow gets; the job's stage is told beside it."""
        [event] = [event for event in self.polls.publisher.events if event["type"] == REFRESHED]
        return event

    def headers(self) -> list[Mapping[str, str]]:
        return [headers for _, _, headers in self.world.callbacks.requests]


def trace_of(span: ReadableSpan) -> str:
    return f"{span.get_span_context().trace_id:032x}"


def traceparent_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


async def test_poll_publish_dispatch_and_each_attempt_are_one_trace() -> None:
    way = Way()
    await way.go(Answer(500), Answer(202))
    spans = way.recorder.spans()
    assert sorted(span.name for span in spans) == ["deliver", "deliver", "dispatch", "dispatch", "poll", "publish"]
    assert len({trace_of(span) for span in spans}) == 1
    [poll], [publish] = way.recorder.spans("poll"), way.recorder.spans("publish")
    dispatches = {(span.attributes or {})["type"]: span for span in way.recorder.spans("dispatch")}
    ids = [span.get_span_context().span_id for span in (poll, dispatches[REFRESHED])]
    assert [parent_of(span) for span in (poll, publish)] == [None, ids[0]]
    assert {type_: parent_of(span) for type_, span in dispatches.items()} == {REFRESHED: ids[0], STAGE: ids[0]}
    attempts = way.recorder.spans("deliver")
    assert [parent_of(span) for span in attempts] == [ids[1]] * 2
    assert [headers["traceparent"] for headers in way.headers()] == [traceparent_of(span) for span in attempts]


async def test_the_event_carries_its_poll_s_trace_and_is_else_the_same() -> None:
    traced, silent = Way(), test_poll.World("i1")
    await traced.go()
    await silent.poll([Family.JOBS])
    silent.show("i1", 2, (5,), (5,))
    await silent.poll([Family.JOBS])
    [poll] = traced.recorder.spans("poll")
    plain = silent.publisher.events
    assert traced.polls.publisher.events == [{**event, "traceparent": traceparent_of(poll)} for event in plain]
    assert [event["type"] for event in plain if "traceparent" not in event] == [REFRESHED, STAGE]
    assert [json.loads(body) for _, body, _ in traced.world.callbacks.requests] == [traced.event()]


async def test_an_event_in_the_outbox_leaves_with_the_bytes_it_was_saved_with() -> None:
    world = Polls("i1")
    await world.poll([Family.JOBS])
    world.show("i1", 2, (5,), (5,))
    world.publisher.failures = [TransientError("the topic is down")]
    with pytest.raises(PollFailedError):
        await world.poll([Family.JOBS])
    saved = world.outbox(Family.JOBS)
    await world.poll([Family.JOBS])
    first, second = world.recorder.spans("poll")
    assert trace_of(first) != trace_of(second)
    assert [event["traceparent"] for event in world.publisher.events] == [traceparent_of(first)] * 2
    assert saved == json.dumps(world.publisher.events, ensure_ascii=False, separators=(",", ":")).encode() + b"}"


async def test_an_idle_poll_leaves_no_span_and_a_failed_one_says_why() -> None:
    world = Polls("i1", "i2")
    await world.poll([Family.JOBS])
    await world.poll([Family.JOBS])
    assert world.recorder.spans() == []
    world.insights.failures["jobs i2"] = [TransientError("the API is down")]
    with pytest.raises(PollFailedError):
        await world.poll([Family.JOBS])
    [failed] = world.recorder.spans()
    assert dict(failed.attributes or {}) == {"instance": "i2", "family": "jobs", "reason": "the API is down"}
    assert not failed.status.is_ok


async def test_an_attempt_says_what_came_of_it_and_no_secret() -> None:
    way = Way()
    way.world.clock.advance(timedelta(days=3))
    await way.go(Answer(429, retry_after=60), Answer(404, body=f"WorkflowNotFound {URL}"))
    first, second = (dict(span.attributes or {}) for span in way.recorder.spans("deliver"))
    assert first == {
        "event": way.event()["id"],
        "type": REFRESHED,
        "instance": "i1",
        "subscription": "s1",
        "label": "Tells sales",
        "attempt": 1,
        "age": 0,
        "outcome": "retry",
        "stage": "waiting",
        "status": 429,
        "reason": "HTTP 429",
    }
    told = {key: second[key] for key in ("attempt", "age", "outcome", "stage", "reason")}
    assert told == {"attempt": 2, "age": 60, "outcome": "gone", "stage": "held", "reason": "HTTP 404 WorkflowNotFound"}
    assert not any(span.status.is_ok for span in way.recorder.spans("deliver"))
    texts = [str((span.name, span.attributes, span.status.description, span.events)) for span in way.recorder.spans()]
    assert not any("sig=" in text or "logic.azure.com" in text for text in texts)


async def test_a_delivered_attempt_says_how_long_the_occurrence_took() -> None:
    recorder = Recorder()
    world = World(Answer(202), telemetry=recorder.telemetry)
    world.clock.advance(timedelta(seconds=90))
    await world.run()
    [span] = recorder.spans("deliver")
    assert (span.attributes or {})["latency"] == 90
    assert span.status.is_unset or span.status.is_ok


async def test_an_error_fails_the_span_by_its_kind_alone() -> None:
    recorder = Recorder()
    [poll, *_] = SPANS
    with pytest.raises(RuntimeError), recorder.telemetry.span(poll, instance="i1"):
        raise RuntimeError("a secret")
    [span] = recorder.spans()
    assert "a secret" not in span.to_json()
    assert (span.attributes or {})["reason"] == "RuntimeError"


async def test_what_runs_in_an_invocation_belongs_to_it_and_a_message_s_trace_goes_before() -> None:
    recorder = Recorder()
    poll, _, dispatch, _ = SPANS
    with recorder.tracers.get_tracer("host").start_as_current_span("invocation") as invocation:
        with recorder.telemetry.span(poll):
            pass
        with recorder.telemetry.span(dispatch, parent=ELSEWHERE):
            pass
    mine, carried, host = recorder.spans()
    assert trace_of(mine) == trace_of(host)
    assert trace_of(carried) == "ab" * 16
    assert [link.context.span_id for link in carried.links] == [invocation.get_span_context().span_id]
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("value", ["00-zz", "x\r\ny: z", "", 5, None, "0" * 129])
def test_what_is_no_trace_context_is_not_passed_on(value: Any) -> None:  # noqa: ANN401 - whatever an event may hold
    event = Event.parse({**EVENT.raw, "traceparent": value})
    assert event.traceparent is None
    read = decode_delivery(encode_new(New("s1", event, event.time)))
    assert isinstance(read, New)
    assert read.traceparent is None


def test_a_broken_trace_context_begins_a_new_trace() -> None:
    recorder = Recorder()
    with recorder.telemetry.span(SPANS[0], parent="00-ab-cd-01") as span:
        assert span.traceparent is not None
    assert recorder.spans()[0].parent is None


@pytest.mark.parametrize("stage", ["sent", "held"])
async def test_an_event_s_trace_goes_on_by_way_of_a_message_or_of_the_backlog(stage: str) -> None:
    recorder = Recorder()
    mine = subscription(status="active" if stage == "sent" else "paused")
    world = World(Answer(202), of=mine, events=(), telemetry=recorder.telemetry)
    world.queue.messages.append((world.clock(), encode_new(New("s1", EVENT, world.clock(), None, ELSEWHERE))))
    await world.run()
    if stage == "held":
        await world.edit("s1", Edits(status="active"))
        await world.run()
    [span] = recorder.spans("deliver")
    assert trace_of(span) == "ab" * 16
