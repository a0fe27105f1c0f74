"""What the demo and `up` show."""

import io
from datetime import UTC, datetime

from rich.console import Console

from local.demo.accounting import Row
from local.demo.screen import Screen
from local.flows import Call
from local.up import instructions


def shown(call: Call) -> str:
    out = io.StringIO()
    Screen(Console(file=out)).call(call, timeout=3)
    return out.getvalue()


def test_a_call_is_one_plain_line_in_a_pipe() -> None:
    line = shown(Call("f" * 200, 202, datetime.now(UTC), {}, b'{"type": "CustomerInsights.X.Y"}'))
    assert line.endswith("<- X.Y: 202 accepted\n")
    assert line.count("\n") == 1
    assert "\x1b" not in line


def test_a_late_answer_is_shown_as_none() -> None:
    assert "no answer within 3 s" in shown(Call("f", 202, datetime.now(UTC), {}, b"", delay=5))


def test_what_is_wrong_is_told_below_the_account() -> None:
    out = io.StringIO()
    rows = [Row("lost", 0, 1, is_right=False, remarks=["the one"]), Row("dead letters", 1, 1, is_right=True)]
    Screen(Console(file=out)).account(rows)
    assert "WRONG" in out.getvalue()
    assert out.getvalue().endswith("lost: the one\n")


def test_the_commands_name_all_they_need() -> None:
    text = instructions("http://127.0.0.1:1/api", "the-key", "i1", "http://127.0.0.1:2/x?a=1&sig=s")
    assert "-H 'x-functions-key: the-key' -H 'Content-Type: application/json'" in text
    assert '-d \'{"callbackUrl": "http://127.0.0.1:2/x?a=1&sig=s", "instanceId": "i1"' in text
