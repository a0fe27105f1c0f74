"""What the demo and `up` show."""

import io
import json
import re
import shlex
from datetime import UTC, datetime

from rich.console import Console

import function_app
from local.demo.accounting import Row
from local.demo.screen import Screen
from local.flows import Call
from local.up import instructions
from triggers.operations import OPERATIONS

assert function_app.app  # it declares the operations


NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)


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
    text = instructions("http://127.0.0.1:1/api", "the-key", "i1", "http://127.0.0.1:2/x?a=1&sig=s", NOW)
    assert "-H 'x-functions-key: the-key' -H 'Content-Type: application/json'" in text
    assert '-d \'{"callbackUrl": "http://127.0.0.1:2/x?a=1&sig=s", "instanceId": "i1"' in text
    assert "\n  http://127.0.0.1:2/x?a=1&sig=s\n" in text
    assert '-d \'{"since": "2026-05-04T06:00:00Z", "which": "all"}\'' in text


def test_each_command_calls_an_operation_of_the_app() -> None:
    url = "http://127.0.0.1:1/api"
    text = instructions(url, "the-key", "i1", "http://127.0.0.1:2/x?a=1&sig=s", NOW)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  curl")]
    called = set()
    for command in commands:
        method = command[command.index("-X") + 1] if "-X" in command else "GET"
        (address,) = [word for word in command if word.startswith(url)]
        path = address.removeprefix(f"{url}/").partition("?")[0]
        called.add((method, path.replace("<", "{").replace(">", "}")))
        if "-d" in command:
            assert isinstance(json.loads(command[command.index("-d") + 1]), dict)
    subscribing = {("POST", "triggers/data-source-refresh-succeeded/subscriptions")}
    assert called - subscribing <= {
        (operation.method, re.sub(r":\w+", "", operation.route)) for operation in OPERATIONS
    }
    assert {"replay", "deliveries", "redeliver", "dead-letters"} <= {path.split("/")[-1] for _, path in called}
