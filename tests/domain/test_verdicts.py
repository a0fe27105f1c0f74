"""Verdicts: what each answer of a flow means, and how long to wait."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.callbacks import Answer
from shared.domain.verdicts import Verdict, judge, reason, wait_after

DELIVERED, RETRY, DENIED, GONE, REJECTED = Verdict
OFF, MISSING = '{"error":{"code":"WorkflowTriggerIsNotEnabled"}}', "x WorkflowNotFound y"

TABLE = [
    *((status, "", DELIVERED) for status in (200, 201, 202, 204, 206, 299)),
    *((status, OFF, DELIVERED) for status in (200, 202)),
    *((status, "", RETRY) for status in (408, 425, 429, 500, 501, 502, 503, 504, 507, 599)),
    *((status, OFF, RETRY) for status in (500, 502, 503)),
    (None, "", RETRY),
    *((status, body, GONE) for status, body in product((404, 410), ("", "anything", OFF, MISSING))),
    *((status, body, GONE) for status, body in product((400, 401, 403, 408, 409, 422, 429), (OFF, MISSING))),
    *((status, body, DENIED) for status, body in product((401, 403), ("", "no"))),
    *((status, body, REJECTED) for status, body in product((301, 302, 303, 307, 308), ("", OFF))),
    *((status, "no", REJECTED) for status in (400, 402, 405, 406, 409, 411, 413, 414, 415, 422, 451)),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_what_an_answer_means(status: int | None, body: str, verdict: Verdict) -> None:
    assert judge(Answer(status, body)) is verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (202, "", DELIVERED),
        (302, "", REJECTED),
        (400, "", RETRY),
        (422, "", RETRY),
        (400, OFF, GONE),
        (401, "", DENIED),
        (404, "", GONE),
        (503, "", RETRY),
    ],
)
def test_an_answer_that_was_cut_off_gives_nothing_up_for_what_it_might_have_said(
    status: int, body: str, verdict: Verdict
) -> None:
    answer = Answer(status, body, is_cut=True)
    assert judge(answer) is verdict
    assert reason(answer).endswith(", cut off")


def test_a_url_that_the_policy_refuses_is_never_tried_again() -> None:
    assert judge(Answer(failure="must be on an allowed host", refused=True)) is REJECTED


def test_a_reason_shows_nothing_that_the_other_side_wrote() -> None:
    assert reason(Answer(400, "sig=secret")) == "HTTP 400"
    assert reason(Answer(400, f"sig=secret {OFF}")) == "HTTP 400 WorkflowTriggerIsNotEnabled"
    assert reason(Answer(failure="timeout")) == "timeout"


@given(
    attempt=st.integers(1, 500),
    schedule=st.lists(st.floats(1, 1e5), min_size=1, max_size=12),
    asked=st.none() | st.floats(0, 1e12),
    jitter=st.floats(-1, 1),
)
def test_waits_stray_by_a_fifth_and_are_never_shorter_than_asked(
    attempt: int, schedule: list[float], asked: float | None, jitter: float
) -> None:
    wait = wait_after(attempt, schedule, asked, jitter).total_seconds()
    planned = schedule[attempt - 1] if attempt <= len(schedule) else schedule[-1]
    least = min(asked or 0, 12 * 3600)
    assert wait >= least - 1e-5
    assert planned * 0.8 - 1e-5 <= wait <= max(planned * 1.2, least) + 1e-5
