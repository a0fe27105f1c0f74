"""What the text of a setting may be: one grammar for each kind of value.

A grammar is strict, because nothing looks at the value again: what it takes may stand in a URL, in a header or in a
calculation. What is wrong is told as the rest of a sentence that begins with the setting's name; it never shows the
text, which may be a secret.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from ipaddress import ip_address

from shared.schedules import read_schedule

KEY_BYTES = 32
MAX_PORT = 65_535
# Where an Event Grid topic takes events, in every cloud.
TOPIC_PATH = "/api/events"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name's last label begins with a letter, so that no name is also a number that a resolver would take for an address.
_NAME = rf"(?:{_LABEL}\.)*[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_HOST = rf"(?P<name>{_NAME})|(?P<v4>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})|\[(?P<v6>[0-9a-f:.]{{2,45}})\]"
_MAX_HOST = 253  # characters; RFC 1035 allows 255 octets on the wire
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?:{_HOST})(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<path>(?:/[a-z0-9._~!$&'()*+,;=:@%/-]*)?)",
    re.ASCII | re.IGNORECASE,
)
_HOST_PATTERN = re.compile(rf"\*\.(?P<domain>{_LABEL}\.{_NAME})|{_HOST}", re.ASCII | re.IGNORECASE)
_INSTANCE = re.compile(r"(?P<brace>\{)?\s*(?P<id>[a-z0-9][a-z0-9._-]*)\s*(?(brace)\})", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grammar[T]:
    """How a text is read: `read` raises ValueError for what is malformed. `example` is a text that it takes."""

    read: Callable[[str], T]
    example: str


def _matching(pattern: str, otherwise: str, example: str) -> Grammar[str]:
    expression = re.compile(pattern, re.ASCII | re.IGNORECASE)

    def read(text: str) -> str:
        if not expression.fullmatch(text):
            raise ValueError(otherwise)
        return text

    return Grammar(read, example)


def number(most: float, *, whole: bool = False) -> Grammar[float]:
    """A number greater than 0, in plain decimal digits."""
    kind = "a whole number" if whole else "a number"

    def read(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else 0.0
        if not 0 < value <= most or (whole and "." in text):
            raise ValueError(f"is not {kind} greater than 0 and at most {most:,}")
        return value

    return Grammar(read, "1")


def waits(most: timedelta) -> Grammar[tuple[float, ...]]:
    """Waits in seconds, separated by commas."""
    one = number(int(most.total_seconds())).read

    def read(text: str) -> tuple[float, ...]:
        try:
            return tuple(one(part.strip()) for part in text.split(","))
        except ValueError:
            raise ValueError(
                f"is not a comma-separated list of seconds, each greater than 0 and at most {most.total_seconds():,.0f}"
            ) from None

    return Grammar(read, "1")


def _url(text: str, *, in_azure: bool, path: str | None = None) -> str:
    found = _URL.fullmatch(text)
    if found is None or not _is_host(found) or int(found["port"] or 1) > MAX_PORT:
        raise ValueError("is not an absolute URL without user, query and fragment")
    if found["scheme"].lower() == "http" and (in_azure or not _is_loopback(found)):
        raise ValueError("does not begin with https://")
    if path is not None and found["path"] != path:
        raise ValueError(f"does not have the path {path}")
    return text


def _is_host(found: re.Match[str]) -> bool:
    """Check what the expression cannot: an address has one spelling here, so that it compares as text."""
    if name := found["name"]:
        return len(name) <= _MAX_HOST
    try:
        return str(ip_address(found["v4"] or found["v6"])) == (found["v4"] or found["v6"]).lower()
    except ValueError:
        return False


def _is_loopback(found: re.Match[str]) -> bool:
    if name := found["name"]:
        return name.lower() == "localhost"
    return ip_address(found["v4"] or found["v6"]).is_loopback


def _host_patterns(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts or not all(_is_host_pattern(host) for host in hosts):
        raise ValueError("is not a comma-separated list of hosts, or of *. and a domain of at least two labels")
    return hosts


def _is_host_pattern(text: str) -> bool:
    found = _HOST_PATTERN.fullmatch(text)
    return found is not None and (found["domain"] is not None or _is_host(found))


def _instances(text: str) -> tuple[str, ...]:
    if text == "*":
        return ()
    found = [_INSTANCE.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    ids = [each["id"] for each in found if each is not None]
    if not ids or len(ids) < len(found):
        raise ValueError("is neither * nor a comma-separated list of environment ids")
    if len({each.casefold() for each in ids}) < len(ids):
        raise ValueError("names an environment twice (case, braces and blanks around make no difference)")
    return tuple(ids)


def _flag(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError("is neither true nor false")
    return words[text.lower()]


def _key(text: str) -> bytes:
    key = _base64(text)
    if key is None or len(key) != KEY_BYTES:
        raise ValueError(f"is not base64 of {KEY_BYTES} bytes")
    return key


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _connection_string(text: str, *, in_azure: bool) -> str:
    """Check what Azure's libraries find out only when they make the first call, or never."""
    parts = [part.partition("=") for part in text.rstrip(";").split(";")]
    values = {key.lower(): value for key, _, value in parts}
    has_place = "accountname" in values or {"blobendpoint", "queueendpoint", "tableendpoint"} <= values.keys()
    has_key = "sharedaccesssignature" in values or ("accountname" in values and _base64(values.get("accountkey", "")))
    is_emulator = values.get("usedevelopmentstorage", "").lower() == "true"
    if not text.isascii() or not text.isprintable() or not all(key.isalnum() and value for key, _, value in parts):
        raise ValueError("is not a connection string")
    if not is_emulator and not (has_place and has_key):
        raise ValueError("is not a connection string with an account and its key")
    if in_azure and (is_emulator or values.get("defaultendpointsprotocol", "https").lower() != "https"):
        raise ValueError("is not a connection string for https")
    for key, value in values.items():
        if key.endswith("endpoint"):
            _url(value, in_azure=in_azure)
    return text


# What goes into a header, or beside it: no blank, no line break, nothing that HTTP could not carry.
SECRET = _matching(r"[!-~]+", "holds blanks, line breaks or letters that no header can carry", "-")
# A name that stands in a path as it is.
NAME = _matching(r"(?!\.+$)[a-z0-9._-]{1,128}", "is not a name of letters, digits, dots, underscores and hyphens", "-")
SCOPE = _matching(
    rf"(?:https://{_NAME}|api://[a-z0-9._-]+|{_GUID})(?:/[a-z0-9._~/-]*)?/\.default",
    "is not the scope of one API, which ends in /.default",
    "https://invalid/.default",
)
CLIENT_ID = _matching(
    _GUID, "is not a client id (8-4-4-4-12 hexadecimal digits)", "00000000-0000-0000-0000-000000000000"
)
TENANT_ID = _matching(rf"{_GUID}|{_NAME}", "is not a tenant's id or domain", "invalid")
STORAGE_ACCOUNT = _matching(r"[a-z0-9]{3,24}", "is not the name of a storage account", "invalid")
INSTANCES = Grammar(_instances, "*")
HOST_PATTERNS = Grammar(_host_patterns, "invalid")
FLAG = Grammar(_flag, "false")
KEY = Grammar(_key, base64.b64encode(bytes(KEY_BYTES)).decode())
SCHEDULE = Grammar(read_schedule, "0 0 0 1 1 *")


def url(*, in_azure: bool) -> Grammar[str]:
    """Something to connect to: with https, or outside Azure also with http on this machine."""
    return Grammar(partial(_url, in_azure=in_azure), "https://invalid")


def topic(*, in_azure: bool) -> Grammar[str]:
    """The endpoint of an Event Grid topic."""
    return Grammar(partial(_url, in_azure=in_azure, path=TOPIC_PATH), f"https://invalid{TOPIC_PATH}")


def connection_string(*, in_azure: bool) -> Grammar[str]:
    """The connection string of a storage account."""
    return Grammar(partial(_connection_string, in_azure=in_azure), "AccountName=invalid;AccountKey=YWJj")
