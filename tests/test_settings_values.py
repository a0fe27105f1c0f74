"""What each setting may be: what is malformed is named at the start, whatever is malformed about it."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.callbacks import CallbackPolicy
from shared.domain.verdicts import JITTER
from shared.errors import SettingsError
from shared.settings import APPLICATION_INSIGHTS, AZURE_MARKS, DEFAULTS, PLATFORM, Settings
from tests.functions import FUNCTIONS
from tests.test_docs import Recording
from tests.test_settings import GUID, IDENTITY, KEY, REQUIRED
from triggers.answers import of_error

HOST = json.loads((Path(__file__).parent.parent / "host.json").read_text("utf-8"))
AZURE = {AZURE_MARKS[0]: "x"}
# A message of a storage queue cannot be hidden for longer.
MOST_HIDDEN = timedelta(days=7)
URLS = ("CUSTOMER_INSIGHTS_ENDPOINT", "EVENT_GRID_TOPIC_ENDPOINT", "PUBLIC_URL")
SERVICES = tuple(f"AzureWebJobsStorage__{kind}ServiceUri" for kind in ("blob", "queue", "table"))
SCHEDULES = ("POLL_REFRESHES_SCHEDULE", "POLL_THRESHOLDS_SCHEDULE")
NUMBERS = ("CALLBACK_TIMEOUT_SECONDS", "DELIVERY_MAX_AGE_HOURS", "DELIVERY_RATE_PER_SECOND", "EVENT_RETENTION_DAYS")
HEADERS = ("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "CUSTOMER_INSIGHTS_ACCESS_TOKEN", "EVENT_GRID_TOPIC_KEY")
REGISTRATION = {
    "CUSTOMER_INSIGHTS_TENANT_ID": GUID,
    "CUSTOMER_INSIGHTS_CLIENT_ID": GUID,
    "CUSTOMER_INSIGHTS_CLIENT_SECRET": "abc~def",
}


def named(environment: Mapping[str, str]) -> set[str]:
    """The settings that the one error names; none where there is no error."""
    try:
        Settings.load(environment)
    except SettingsError as error:
        told = re.split(r"\. (?=Check|References)", str(error).partition(": ")[2])[0]
        return {problem.split()[0] for problem in told.split("; ")}
    return set()


def with_setting(name: str, value: str) -> dict[str, str]:
    """Settings that are fine but for one."""
    base = IDENTITY if name.startswith("AzureWebJobsStorage__") else REQUIRED
    urls = {service: f"https://a{number}.example" for number, service in enumerate(SERVICES)}
    registration = REGISTRATION if name in REGISTRATION else {}
    return {**base, **(urls if base is IDENTITY else {}), **registration, name: value}


def every_setting() -> set[str]:
    environment = Recording()
    with pytest.raises(SettingsError):
        Settings.load(environment)
    return environment.asked - set(PLATFORM)


NOT_URLS = (
    "https://",
    "https:///v1",
    "ftp://a.example/v1",
    "//a.example/v1",
    "a.example/v1",
    "https://a.example:65536/v1",
    "https://a.example:0/v1",
    "https://a.example:x/v1",
    "https://a b.example/v1",
    "https://a.example/v 1",
    "https://a_b.example/v1",
    "https://-a.example/v1",
    "https://a..example/v1",
    "https://a.example./v1",
    "https://a.example/v1?key=1",
    "https://a.example/v1?",
    "https://a.example/v1#part",
    "https://user:word@a.example/v1",
    "https://user@a.example/v1",
    "https://a.example\\v1",
    "https://a.example/v1\nX-Other: 1",
    "https://bücher.example/v1",
    "https://<topic>.example/v1",
    "https://999.1.1.1/v1",
    "https://[::g]/v1",
    "http://a.example/v1",
)
WRONG = [
    *((name, url) for name in (*URLS, *SERVICES) for url in NOT_URLS),
    *(
        (name, value)
        for name in SCHEDULES
        for value in (
            "0 0 0 11 0 *",
            "60 * * * * *",
            "0 0 24 * * *",
            "a b c d e f",
            "* * * * *",
            "* * * * * * *",
            "00:05:00",
            "0 */0 * * * *",
            "0 */90 * * * *",
            "0 30-10 * * * *",
            "0 0 0 30 2 *",
            "0 0 0 31 4,6,9,11 *",
            "0 0 0 ? * MON",
            "0 0 0 L * *",
            "0 0 0 * * 7",
            "0 \u0661 * * * *",
            "0 1,,2 * * * *",
            "0 -1 * * * *",
            "0 1.5 * * * *",
            "0 0 0 * JANUAR *",
            "0 0 0 * * JAN",
            "@hourly",
        )
    ),
    *(
        (name, value)
        for name in NUMBERS
        for value in (
            "1e1",
            "0x10",
            "\u0661\u0665",
            "1_0",
            "inf",
            "nan",
            "+5",
            "-5",
            "0",
            "0.0",
            "5.",
            ".5",
            "1,5",
            "15s",
            "9" * 30,
        )
    ),
    ("DELIVERY_RATE_PER_SECOND", "1.5"),
    ("DELIVERY_RATE_PER_SECOND", "10001"),
    ("CALLBACK_TIMEOUT_SECONDS", "301"),
    ("DELIVERY_MAX_AGE_HOURS", "8761"),
    ("EVENT_RETENTION_DAYS", "3651"),
    *(("DELIVERY_RETRY_SECONDS", value) for value in ("", ",", "10,", "10;30", "10,0", "10,1e3", "10,604800", "10 30")),
    *(
        ("CUSTOMER_INSIGHTS_INSTANCES", value)
        for value in ("a;b", "a b", "*,a", ",", "a/b", "a?b", "{a", "a}", "{}", "a,A", "a,a", "{a},a", " { a } ,A", "ä")
    ),
    *(("CUSTOMER_INSIGHTS_WORKFLOW", value) for value in ("a/b", "a b", "..", ".", "a?b", "a#b", "a%2Fb", "ä", "a\nb")),
    *(
        ("CUSTOMER_INSIGHTS_SCOPE", value)
        for value in (
            "main",
            ".default",
            "https://a.example",
            "https://a.example/.default x",
            "http://a.example/.default",
            "https://a.example/.default,https://b.example/.default",
            "https:///.default",
            "offline_access",
        )
    ),
    *((name, value) for name in HEADERS for value in ("a\r\nb", "a\nX: y", "a b", "clé", "a\x00b", "a\x7fb")),
    ("CUSTOMER_INSIGHTS_CLIENT_SECRET", "a\nb"),
    ("CUSTOMER_INSIGHTS_CLIENT_ID", "my app"),
    ("CUSTOMER_INSIGHTS_TENANT_ID", "https://login.microsoftonline.com/x"),
    *(
        ("CALLBACK_ALLOWED_HOSTS", value)
        for value in (
            "*",
            "*.",
            "*.com",
            "*.*.com",
            "a.*.com",
            "*a.com",
            ".a.com",
            "a.com.",
            "a.com:443",
            "https://a.com",
            "a_b.com",
            "-a.com",
            "a..com",
            "256.1.1.1",
            "1.2",
            "[::1",
            "[0::1]",
            "a b.com",
            ",",
            "ä.com",
            "a;b",
        )
    ),
    *(("CALLBACK_ALLOW_INSECURE", value) for value in ("yes", "2", "truthy")),
    *(("CALLBACK_ENCRYPTION_KEY", value) for value in (KEY[:-4], KEY + "AAAA", KEY.replace("=", ""), "!" + KEY[1:])),
    *(
        ("AzureWebJobsStorage", value)
        for value in (
            "AccountName=a",
            "AccountName=a;AccountKey=",
            "AccountName=a;AccountKey=not-base64",
            "AccountKey=YWJj",
            "AccountName=a;AccountKey=YWJj;broken",
            "AccountName=a; AccountKey=YWJj",
            "AccountName=a;AccountKey=YWJj;BlobEndpoint=http://a.example",
            "AccountName=a;AccountKey=YWJj;BlobEndpoint=a.example",
            "AccountName=a;AccountKey=YWJj\nx",
            "https://a.blob.core.windows.net",
        )
    ),
    ("AzureWebJobsStorage__clientId", "my identity"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    if value:
        assert named(with_setting(name, value)) == {name}


def test_all_that_is_malformed_is_named_at_once() -> None:
    wrong = {name: value for name, value in WRONG if value and not name.startswith("AzureWebJobsStorage_")}
    registration = {name: value for name, value in REGISTRATION.items() if name not in wrong}
    assert named({**REQUIRED, **registration, **wrong}) == set(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, url)
            for name in (*URLS, *SERVICES)
            for url in (
                "https://a.example",
                "https://a.example/",
                "https://A.b-c.example:65535/v1/x.y",
                "https://10.0.0.1/v1",
                "https://[2001:db8::1]/v1",
                "http://127.0.0.1:7071/v1",
                "http://localhost/v1",
                "http://[::1]:1/v1",
            )
            if name != "EVENT_GRID_TOPIC_ENDPOINT"
        ),
        ("EVENT_GRID_TOPIC_ENDPOINT", "http://127.0.0.1:7071/api/events"),
        *(
            (name, value)
            for name in SCHEDULES
            for value in (
                "0 */5 * * * *",
                "* * * * * *",
                "0  0 6 1-31/2 JAN-mar,december Mon-Friday",
                "0 0 0 29 2 *",
                "59 59 23 31 12 6",
                "0 5/10 * * * *",
                "0 1,2,10-20/5 * * * *",
                "0 */60 * * * *",
            )
        ),
        *((name, " 100 ") for name in NUMBERS),
        ("CALLBACK_TIMEOUT_SECONDS", "0.5"),
        ("DELIVERY_RETRY_SECONDS", "10, 30 ,60.5"),
        ("CUSTOMER_INSIGHTS_INSTANCES", f" {{{GUID}}} , other-1_x.y,"),
        ("CUSTOMER_INSIGHTS_WORKFLOW", "main-2.x_y"),
        *(
            ("CUSTOMER_INSIGHTS_SCOPE", value)
            for value in (
                "https://a.example/.default",
                "https://a.example//.default",
                f"api://{GUID}/.default",
                f"{GUID}/.default",
            )
        ),
        *((name, "aZ09+/=~!.") for name in HEADERS),
        ("CUSTOMER_INSIGHTS_TENANT_ID", "contoso.onmicrosoft.com"),
        ("CALLBACK_ALLOWED_HOSTS", "*.Logic.azure.com, flows.example.com ,localhost,127.0.0.1,[::1],"),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("AzureWebJobsStorage", "AccountName=a;AccountKey=YWJj;BlobEndpoint=http://127.0.0.1:10000/a;"),
        (
            "AzureWebJobsStorage",
            "BlobEndpoint=https://a.example/;QueueEndpoint=https://b.example/;TableEndpoint=https://c.example/;SharedAccessSignature=sv=1&sig=x%3D",
        ),
        ("CALLBACK_ENCRYPTION_KEY_PREVIOUS", KEY),
    ],
)
def test_what_is_well_formed_is_taken(name: str, value: str) -> None:
    assert named(with_setting(name, value)) == set()


@given(name=st.sampled_from(sorted({name for name, _ in WRONG})), value=st.text(min_size=1))
def test_any_text_is_taken_or_named_and_nothing_else_happens(name: str, value: str) -> None:
    # One that is nothing but blanks counts as not set; then others may be missing beside it.
    assert named(with_setting(name, value)) <= {name, "AzureWebJobsStorage", *REGISTRATION}


LABELS = st.from_regex(r"[A-Za-z0-9_-]{1,4}|[a-z][a-z0-9-]{0,62}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses().map(
    lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)
)


@given(HOSTS, st.sampled_from(["", "*.", "*"]))
def test_every_host_pattern_that_is_taken_matches_a_callback(host: str, wildcard: str) -> None:
    pattern = f"{wildcard}{host}"
    if named({**REQUIRED, "CALLBACK_ALLOWED_HOSTS": pattern}):
        return
    policy = CallbackPolicy(Settings.load({**REQUIRED, "CALLBACK_ALLOWED_HOSTS": pattern}).callback_hosts)
    assert policy.check_url(f"https://{'a.' if wildcard else ''}{host}/x")
    assert wildcard != "*"


@given(st.decimals("0.000001", "300", places=6), st.sampled_from(["{}", "{:E}", "+{}", "{:,.2f}", "0{}"]))
def test_a_number_is_what_it_says_or_named(number: Decimal, form: str) -> None:
    text = form.format(number)
    environment = {**REQUIRED, "CALLBACK_TIMEOUT_SECONDS": text}
    if not named(environment):
        assert Settings.load(environment).callback_timeout == timedelta(seconds=float(text))
        assert set(text) <= set("0123456789.")


# -- what settings must be to each other, and to where they are


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "http://127.0.0.1:7071") for name in (*URLS, *SERVICES)),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("AzureWebJobsStorage", "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YWJj"),
        ("AzureWebJobsStorage", "AccountName=a;AccountKey=YWJj;TableEndpoint=http://127.0.0.1:1/a"),
    ],
)
def test_what_would_leave_unencrypted_is_refused_in_azure(name: str, value: str) -> None:
    assert named({**with_setting(name, value), **AZURE}) == {name}


def test_retention_covers_the_maximum_age() -> None:
    assert named({**REQUIRED, "EVENT_RETENTION_DAYS": "2", "DELIVERY_MAX_AGE_HOURS": "48"}) == set()
    assert named({**REQUIRED, "EVENT_RETENTION_DAYS": "2", "DELIVERY_MAX_AGE_HOURS": "48.1"}) == {
        "EVENT_RETENTION_DAYS"
    }
    assert named({**REQUIRED, "EVENT_RETENTION_DAYS": "3"}) == {"EVENT_RETENTION_DAYS"}
    # What is malformed is compared with nothing.
    assert named({**REQUIRED, "EVENT_RETENTION_DAYS": "2", "DELIVERY_MAX_AGE_HOURS": "x"}) == {"DELIVERY_MAX_AGE_HOURS"}


def test_the_longest_wait_can_be_a_message_s() -> None:
    longest = max(
        wait for wait in range(86_400, 700_000, 1_000) if not named({**REQUIRED, "DELIVERY_RETRY_SECONDS": str(wait)})
    )
    assert timedelta(seconds=longest) * (1 + JITTER) < MOST_HIDDEN


def test_the_longest_call_leaves_a_function_time_to_settle() -> None:
    hours, minutes, seconds = map(int, HOST["functionTimeout"].split(":"))
    function = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    longest = max(n for n in range(1, 1000) if not named({**REQUIRED, "CALLBACK_TIMEOUT_SECONDS": str(n)}))
    assert timedelta(seconds=longest) <= function / 2


# -- references that Azure has not resolved

REFERENCES = (
    "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)",
    "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
    " @microsoft.keyvault(VaultName=v;SecretName=s;SecretVersion=1) ",
    "@MICROSOFT.KEYVAULT(SECRETURI=https://v.vault.azure.net/secrets/s/1)",
    "@Microsoft.AppConfiguration(Endpoint=https://a.azconfig.io; Key=k)",
)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", sorted(every_setting()))
def test_a_reference_that_is_not_resolved_is_no_value(name: str, reference: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.load({**with_setting(name, reference), **AZURE})
    assert named({**with_setting(name, reference), **AZURE}) == {name}
    assert f"{name} is a reference that Azure has not resolved" in str(error.value)
    assert str(error.value).count("30 minutes") == 1
    assert "24 hours" in str(error.value)
    assert "vault.azure.net" not in str(error.value)


def test_outside_azure_nobody_resolves_references() -> None:
    with pytest.raises(SettingsError, match="fill in the value itself"):
        Settings.load({**REQUIRED, "EVENT_GRID_TOPIC_KEY": REFERENCES[0]})


def test_where_telemetry_goes_stops_no_event() -> None:
    settings = Settings.load({**REQUIRED, APPLICATION_INSIGHTS: REFERENCES[0]})
    assert settings.application_insights == REFERENCES[0]


def test_no_part_of_a_secret_is_shown() -> None:
    secret = "S3CRET"
    wrong = dict.fromkeys((*HEADERS, *REGISTRATION, "AzureWebJobsStorage", "CALLBACK_ENCRYPTION_KEY"), f"a {secret} é")
    with pytest.raises(SettingsError) as error:
        Settings.load({**REQUIRED, **wrong})
    assert secret not in str(error.value)
    assert not re.search(rf"{secret}", repr(error.value.__cause__))
    assert base64.b64encode(secret.encode()).decode() not in str(error.value)


def test_defaults_are_well_formed() -> None:
    assert named({**REQUIRED, **DEFAULTS}) == set()


# What stands in no message by chance: four such characters in a row are a part of a value.
SECRETS = st.text("QXZJK79 é\n;=/\0", min_size=4, max_size=60).filter(lambda value: parts(value) != set())


def parts(value: str) -> set[str]:
    return {run[start : start + 4] for run in re.findall("[QXZJK79]{4,}", value) for start in range(len(run) - 3)}


@given(values=st.dictionaries(st.sampled_from(sorted(every_setting())), SECRETS, min_size=1), in_azure=st.booleans())
def test_an_answer_names_each_wrong_setting_and_no_part_of_any_value(values: dict[str, str], *, in_azure: bool) -> None:
    environment = {**REQUIRED, **values, **(AZURE if in_azure else {})}
    try:
        Settings.load(environment)
    except SettingsError as error:
        answer = of_error(error)
        body = json.loads(answer.get_body())
        assert {one["field"] for one in body["errors"]} == named(environment)
        told = json.dumps(body, ensure_ascii=False) + str(dict(answer.headers)) + str(error)
        for value in values.values():
            assert not {part for part in parts(value) if part in told}
            assert base64.b64encode(value.encode()).decode() not in told


async def test_those_with_a_key_are_told_which_settings_are_wrong_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in every_setting():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVENT_GRID_TOPIC_ENDPOINT", "https://QXZJ")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    wrong = caught.value.fields
    assert wrong["EVENT_GRID_TOPIC_ENDPOINT"] == "does not have the path /api/events"
    assert wrong.keys() == REQUIRED.keys()
    for name in ("get_bridge_status", "list_subscriptions"):
        answer = await call(name)
        body = json.loads(answer.get_body())
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert {one["field"]: one["message"] for one in body["errors"]} == wrong
    for name in ("unsubscribe", "health"):
        answer = await call(name)
        text = answer.get_body().decode()
        assert answer.status_code == 503
        assert [one for one in (*wrong, "setting", "environment") if one.lower() in text.lower()] == []


async def call(name: str) -> func.HttpResponse:
    """What a function answers, without a bridge."""
    [function] = [one for one in FUNCTIONS if one.get_function_name() == name]
    request = func.HttpRequest(
        method="GET", url="https://bridge.test/api", route_params={"token": "t" * 32}, params={}, body=b""
    )
    return await function.get_user_function()(request)
