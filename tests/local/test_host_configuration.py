"""host.json, local.settings.json, keys and schedules."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.host.configuration import HostJson, add_local_settings, connection_string, resolve, timespan
from local.host.errors import HostError
from local.host.keys import function_key
from local.host.timers import Schedule


def test_host_json_has_azures_defaults(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    host = HostJson.read(tmp_path, {})
    assert host.route_prefix == "api"
    assert (host.queues.batch_size, host.queues.new_batch_threshold, host.queues.max_dequeue_count) == (16, 8, 5)
    assert (host.queues.max_polling_interval, host.queues.visibility_timeout) == (timedelta(minutes=1), timedelta())
    assert host.queues.base64


def test_settings_override_host_json(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"queues": {"batchSize": 4}}}))
    prefix = "AzureFunctionsJobHost__extensions__"
    settings = {f"{prefix}queues__messageEncoding": "none", f"{prefix}http__routePrefix": ""}
    host = HostJson.read(tmp_path, settings)
    assert (host.queues.batch_size, host.queues.new_batch_threshold, host.queues.base64) == (4, 2, False)
    assert host.route_prefix == ""


@pytest.mark.parametrize("text", ["[]", "{", '{"extensions": {"queues": {"maxPollingInterval": "soon"}}}'])
def test_a_malformed_host_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(HostError, match=r"host\.json"):
        HostJson.read(tmp_path, {})


def test_the_environment_wins_over_local_settings(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "file", "B": "file"}}))
    environment = {"A": "environment"}
    add_local_settings(tmp_path, environment)
    assert environment == {"A": "environment", "B": "file"}


def test_settings_named_in_bindings() -> None:
    assert resolve("x-%NAME%-y", {"NAME": "n"}) == "x-n-y"
    with pytest.raises(HostError, match="NAME"):
        resolve("%NAME%", {})
    with pytest.raises(HostError, match="Storage"):
        connection_string("Storage", {"Storage": "UseDevelopmentStorage=true"})


def test_time_spans() -> None:
    assert timespan("1.02:03:04.5") == timedelta(days=1, hours=2, minutes=3, seconds=4.5)
    with pytest.raises(ValueError, match="time span"):
        timespan("5 minutes")


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    key_file = tmp_path / "keys" / "key"
    key = function_key({}, key_file)
    assert len(key) > 40
    assert function_key({}, key_file) == key
    assert key_file.stat().st_mode & 0o077 == 0
    assert function_key({"FUNCTIONS_KEY": "given"}, key_file) == "given"


@pytest.mark.parametrize(
    ("expression", "tick"),
    [
        ("0 * * * * *", datetime(2026, 2, 28, 23, 59, tzinfo=UTC)),
        ("30 */5 * * * *", datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC)),
        ("0 0 6 * * MON-FRI", datetime(2026, 3, 2, 6, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_schedules_have_seconds_and_are_utc(expression: str, tick: datetime) -> None:
    assert Schedule(expression).after(datetime(2026, 2, 28, 23, 58, 7, tzinfo=UTC)) == tick


@pytest.mark.parametrize("expression", ["", "every day", "99 * * * * *", "0 0 0 1 * MON"])
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(HostError):
        Schedule(expression)
