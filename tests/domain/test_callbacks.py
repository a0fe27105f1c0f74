"""Which callbacks are permitted: URLs, hosts, addresses; and how long an answer asks to wait."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from shared.domain.callbacks import MAX_URL_LENGTH, Answer, CallbackPolicy, parse_retry_after
from shared.errors import InvalidInputError

POLICY = CallbackPolicy(("*.logic.azure.com", "*.api.powerplatform.com", "flows.example.com"))
HOST = "prod-01.westeurope.logic.azure.com"
SECRET = "c2lnbmF0dXJl"
QUERY = f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SECRET}"

DENIED = [
    ipaddress.ip_network(network)
    for network in ("168.63.129.16/32", "192.88.99.0/24", "64:ff9b::/96", "2002::/16", "2001::/23", "fec0::/10")
]


def refusal(url: str, policy: CallbackPolicy = POLICY) -> str:
    with pytest.raises(InvalidInputError) as caught:
        policy.check_url(url)
    assert set(caught.value.fields) == {"callbackUrl"}
    return caught.value.fields["callbackUrl"]


# URLs


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (f"https://{HOST}/workflows/0a/triggers/manual/paths/invoke{QUERY}", HOST),
        (f"https://{HOST}:443/workflows/0a/triggers/manual/paths/invoke{QUERY}", HOST),
        (f"HTTPS://{HOST.upper()}/W", HOST),
        (f"https://{HOST}", HOST),
        (f"https://{HOST}{QUERY}", HOST),
        (f"https://{HOST}//a/../%2e%2E/@b:c[d]?x=http://10.0.0.1/&y=\"'<>^`{{|}}", HOST),
        (
            "https://default0a.0b.environment.api.powerplatform.com:443/x",
            "default0a.0b.environment.api.powerplatform.com",
        ),
        ("https://flows.example.com/x", "flows.example.com"),
        ("https://xn--bcher-kva.logic.azure.com/", "xn--bcher-kva.logic.azure.com"),
    ],
)
def test_a_callback_on_an_allowed_host_is_permitted(url: str, host: str) -> None:
    assert POLICY.check_url(url) == host


@pytest.mark.parametrize(
    "host",
    [
        "logic.azure.com",  # not the bare domain
        "evillogic.azure.com",  # not without the dot
        "logic.azure.com.evil.example",
        f"{HOST}.evil.example",
        f"evil.example/.{HOST}",
        "a.flows.example.com",  # an exact host has no subdomains
        "localhost",
        "10.0.0.1",
        "[::1]",
    ],
)
def test_a_callback_elsewhere_is_refused(host: str) -> None:
    assert refusal(f"https://{host}/x") == "must be on an allowed host"


@pytest.mark.parametrize(
    "authority",
    [
        f"{HOST}.",
        f".{HOST}",
        "a..logic.azure.com",
        f"-a.{HOST}",
        f"a-.{HOST}",
        f"{'a' * 64}.logic.azure.com",
        f"{'a.' * 120}logic.azure.com",  # 255 characters
        f"a_b.{HOST}",
        f"%61.{HOST}",
        f"a%00.{HOST}",
        f"a%2f.{HOST}",
        f"user@{HOST}",
        f"user:password@{HOST}",
        f"@{HOST}",
        f"evil.example@{HOST}",
        f"{HOST}@evil.example",
        f"evil.example\\.{HOST}",
        f"{HOST}\\@evil.example",
        f"evil.example#.{HOST}",
        f"[{HOST}]",
        f"[::1]{HOST}",
        f"{HOST}:",
        f"{HOST}:0",
        f"{HOST}:0443",
        f"{HOST}:+443",
        f"{HOST}:443:443",
        f"{HOST}:443@evil.example",
        f"{HOST}:99999",
        f"{HOST}:४४३",
        f"bücher.{HOST}",
        "prod.log\u0131c.azure.com",  # a dotless i
        "prod.logic.a\u017fure.com",  # matches an s when case is ignored beyond ASCII
        "prod.logic\u3002azure.com",  # a dot to IDNA
        "prod。logic.azure.com",
        "",
    ],
)
def test_an_authority_that_parsers_could_read_differently_is_refused(authority: str) -> None:
    refusal(f"https://{authority}/x")


@pytest.mark.parametrize(
    "url",
    [
        "",
        HOST,
        f"//{HOST}/x",
        f"https:{HOST}/x",
        f"https:/{HOST}/x",
        f"https:///{HOST}/x",
        f"ftp://{HOST}/x",
        f"http\u017f://{HOST}/x",
        f"javascript:https://{HOST}/x",
        f" https://{HOST}/x",
        f"https://{HOST}/x ",
        f"https://{HOST}/x\n",
        f"https://{HOST}/a b",
        f"https://{HOST}/a\tb",
        f"https://{HOST}/a\r\nHost: evil.example",
        f"https://{HOST}/a\x00",
        f"https://{HOST}/a\x7f",
        f"https://{HOST}/a\\b",
        f"https://{HOST}/ü",
        f"https://{HOST}/x#fragment",
        f"https://{HOST}/x#",
        f"https://{HOST}#",
    ],
)
def test_what_is_no_plain_absolute_url_is_refused(url: str) -> None:
    assert "printable ASCII" in refusal(url)


def test_a_url_may_be_as_long_as_power_automate_makes_them() -> None:
    longest = f"https://{HOST}/".ljust(MAX_URL_LENGTH, "a")
    assert POLICY.check_url(longest) == HOST
    assert refusal(f"{longest}a") == "must be at most 16384 characters long"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://{HOST}/x", "must use https"),
        (f"http://{HOST}:443/x", "must use https"),
        (f"https://{HOST}:80/x", "must use port 443"),
        (f"https://{HOST}:8443/x", "must use port 443"),
    ],
)
def test_only_the_local_stack_may_leave_https_and_port_443(url: str, message: str) -> None:
    assert refusal(url) == message
    assert CallbackPolicy(POLICY.allowed_hosts, allow_insecure=True).check_url(url) == HOST


def test_the_local_stack_keeps_to_the_allowed_hosts() -> None:
    policy = CallbackPolicy(("127.0.0.1", "[::1]", "receiver1"), allow_insecure=True)
    assert policy.check_url("http://127.0.0.1:8080/x") == "127.0.0.1"
    assert policy.check_url("http://[::1]:8080/x") == "::1"
    assert policy.check_url("http://receiver1:8080/x") == "receiver1"
    assert refusal("http://127.0.0.2:8080/x", policy) == "must be on an allowed host"
    assert refusal("http://localhost:8080/x", policy) == "must be on an allowed host"


def test_patterns_ignore_case() -> None:
    assert CallbackPolicy(("*.Logic.Azure.COM",)).check_url(f"https://{HOST}/x") == HOST


@pytest.mark.parametrize("pattern", ["*", "*.", "", ".", "**", "*logic.azure.com", "prod-*.logic.azure.com", "[]"])
def test_a_pattern_of_another_form_permits_nothing(pattern: str) -> None:
    assert refusal(f"https://{HOST}/x", CallbackPolicy((pattern,))) == "must be on an allowed host"


def test_an_address_is_permitted_only_by_name_of_itself() -> None:
    assert CallbackPolicy(("127.0.0.1",)).check_url("https://127.0.0.1/x") == "127.0.0.1"
    refusal("https://127.0.0.1/x", CallbackPolicy(("*.0.0.1", "*.1", "*")))


@pytest.mark.parametrize(
    "spelling",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "256.0.0.1",
        "1.2.3.4.5",
        "a.1",
        "a.0x1",
        "[0:0:0:0:0:0:0:1]",
        "[0::1]",
        "[::1%25lo]",
        "[::1%lo]",
        "[fe80::1%251]",
        "[:::1]",
        "[1]",
        "[]",
        "[::1",
        "::1",
        "[127.0.0.1]",
        "[v1.x]",
    ],
)
def test_an_address_in_another_spelling_is_refused_even_when_listed(spelling: str) -> None:
    message = refusal(f"https://{spelling}/x", CallbackPolicy((spelling, spelling.lower(), "127.0.0.1", "::1")))
    assert message != "must be on an allowed host"


FRAGMENTS = st.sampled_from(
    [
        *".:@/\\?#[]%&=-_ \t\n\x00",
        "..",
        "//",
        ":443",
        ":80",
        "evil.example",
        HOST,
        "logic.azure.com",
        "127.0.0.1",
        "::1",
    ]
)
PIECES = st.one_of(FRAGMENTS, st.text(max_size=3))


@given(before=st.lists(PIECES, max_size=4), after=st.lists(PIECES, max_size=4), secure=st.booleans())
@example(before=[], after=["@", "evil.example"], secure=True)
@example(before=["evil.example", "\\", "@"], after=[], secure=True)
def test_every_parser_agrees_on_the_host_of_a_permitted_url(
    before: list[str], after: list[str], *, secure: bool
) -> None:
    url = f"https://{''.join(before)}{HOST}{''.join(after)}"
    policy = CallbackPolicy((*POLICY.allowed_hosts, "127.0.0.1", "::1"), allow_insecure=not secure)
    try:
        endpoint = policy.locate(url)
    except InvalidInputError:
        return
    assert endpoint.host in {HOST, "127.0.0.1", "::1"} or endpoint.host.endswith(".logic.azure.com")
    parsed, split = URL(url, encoded=True), urlsplit(url)
    assert (parsed.raw_host or "").lower() == split.hostname == endpoint.host
    assert parsed.port == (split.port or 443) == endpoint.port
    assert parsed.raw_user is split.username is None
    built = URL.build(scheme=endpoint.scheme, authority=endpoint.authority, path=endpoint.target, encoded=True)
    assert (built.raw_host, built.port, built.raw_user) == (endpoint.host, endpoint.port, None)


@given(st.text())
def test_any_text_is_judged_and_no_refusal_repeats_it(text: str) -> None:
    url = f"https://evil.example/{SECRET}{text}"
    assert SECRET not in refusal(url)


@given(st.from_regex(r"https://[a-z0-9.\-]{1,70}\.logic\.azure\.com/", fullmatch=True))
def test_a_permitted_host_is_made_of_labels(url: str) -> None:
    try:
        host = POLICY.check_url(url)
    except InvalidInputError:
        return
    assert all(re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", label) for label in host.split("."))


def test_nothing_shows_the_secret_part() -> None:
    url = f"https://{HOST}/x{QUERY}"
    assert SECRET not in repr(POLICY.locate(url))
    assert SECRET not in repr(Answer(status=200, body=url))
    assert SECRET not in refusal(f"{url}#")
    assert SECRET not in refusal(url.replace(HOST, "evil.example"))


# Addresses


@pytest.mark.parametrize("address", ["8.8.8.8", "52.174.1.1", "2603:1020:206::1", "::ffff:8.8.8.8"])
def test_a_global_address_is_permitted(address: str) -> None:
    assert POLICY.permits_address(address, DENIED)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:168.63.129.16",
        "::ffff:0:8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "4000::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "2603:1020:206::1%eth0",
        "2603:1020:206::5efe:a00:1",
        "2603:1020:206::200:5efe:808:808",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "",
        "localhost",
        "8.8.8.8 ",
        "8.8.8.08",
        "134744072",
        "8.8.8.8/32",
    ],
)
def test_a_special_address_is_refused(address: str) -> None:
    assert not POLICY.permits_address(address, DENIED)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_the_local_stack_may_reach_loopback(address: str) -> None:
    assert CallbackPolicy((), allow_insecure=True).permits_address(address, DENIED)
    assert not POLICY.permits_address(address, DENIED)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "168.63.129.16", "0.0.0.0", "::", "fd00::1"])
def test_the_local_stack_may_reach_nothing_else(address: str) -> None:
    assert not CallbackPolicy((), allow_insecure=True).permits_address(address, DENIED)


@given(st.ip_addresses())
def test_a_permitted_address_is_global_in_python_s_registries(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if POLICY.permits_address(str(address), ()):
        assert address.is_global
        assert not address.is_multicast


@given(st.sampled_from(DENIED).flatmap(lambda network: st.ip_addresses(network=network)), st.booleans())
def test_no_address_of_a_denied_network_is_permitted(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    insecure: bool,  # noqa: FBT001 - drawn by position
) -> None:
    assert not CallbackPolicy((), allow_insecure=insecure).permits_address(str(address), DENIED)


# Retry-After

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 04 May 2026 12:01:30 GMT", 90.0),
        ("Mon, 04 May 2026 14:01:30 +0200", 90.0),
        ("Monday, 04-May-26 12:01:30 GMT", 90.0),
        ("Mon May  4 12:01:30 2026", 90.0),
        ("Mon, 04 May 2026 12:00:00 GMT", 0.0),
        ("Mon, 04 May 2026 11:59:59 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 400, inf),
        ("Mon, 04 May 99999 12:00:00 GMT", None),
        ("Mon, 04 May 2026 12:00:00 +9999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z]{3}, [0-9]+ [A-Z][a-z]{2} [0-9]+ [0-9:]+ [+-]?[0-9A-Z]+")))
def test_no_retry_after_raises(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3650)))
def test_a_date_in_the_future_is_the_wait_until_then(wait: timedelta) -> None:
    assert parse_retry_after(format_datetime(NOW + wait, usegmt=True), NOW) == wait.total_seconds() // 1
