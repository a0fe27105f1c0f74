"""What a callback may be, and what an attempt to call it yields.

A callback is the URL of a flow. It holds the flow's signature and is a secret, so no message and no `repr` made here
shows any of it but the host. This module judges URLs and addresses; it never looks a name up and never connects.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NoReturn

from shared.errors import InvalidInputError

type Network = IPv4Network | IPv6Network

CALLBACK_FIELD = "callbackUrl"
MAX_URL_LENGTH = 16_384  # characters; the longest URL that Power Automate and Logic Apps accept
MAX_HOST_LENGTH = 253  # characters; RFC 1035 allows 255 octets on the wire
MAX_PORT = 65_535
DEFAULT_PORTS = {"https": 443, "http": 80}

# The only parser of a callback: what it finds is what is checked, and from its parts alone the request is made.
# A name's last label starts with a letter, as all top-level domains do, so that no name is also a number that a
# resolver would take for an address (2130706433, 0x7f.1, 127.1).
_URL = re.compile(
    r"""
    (?P<scheme> https? ) ://
    (?:
        (?P<name> (?: [a-z0-9] (?:[a-z0-9-]{0,61} [a-z0-9])? \. )* [a-z] (?:[a-z0-9-]{0,61} [a-z0-9])? )
      | (?P<v4> [0-9]{1,3} (?: \. [0-9]{1,3} ){3} )
      | \[ (?P<v6> [0-9a-f]{0,4} : [0-9a-f:.]{1,40} ) \]
    )
    (?: : (?P<port> [1-9][0-9]{0,4} ) )?
    (?P<target> (?: [/?] [!"$-\[\]-~]* )? )  # printable ASCII but "#", which begins a fragment, and the backslash
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
# Where an IPv6 address has one of these, the IPv4 address of a tunnel's end follows (ISATAP: RFC 5214, 6.1).
_ISATAP = {bytes.fromhex("00005efe"), bytes.fromhex("02005efe")}
_DELTA_SECONDS = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A callback URL in the parts that a request needs.

    `host` is lower case, and without brackets when it is an IPv6 address; `is_address` tells that it is an IP address
    and no name. `target` is the rest of the URL, byte for byte, and secret.
    """

    scheme: str
    host: str
    port: int
    is_address: bool
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: the status of an answer, or else the `failure` that kept it away.

    `body` is text that the other side chose, so it is kept out of the `repr`; `is_cut` means that it is not all that
    was to come. `retry_after` is a wait in seconds, `run_id` names the run of the flow that was started. `refused`
    means that the policy forbids the URL itself: trying again is useless until the settings change. `took` is how long
    it was until then.
    """

    status: int | None = None
    body: str = field(default="", repr=False)
    retry_after: float | None = None
    failure: str | None = None
    refused: bool = False
    run_id: str | None = None
    is_cut: bool = False
    took: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CallbackPolicy:
    """Which callbacks the bridge may call.

    `allowed_hosts` are exact hosts, or `*.` and a domain: any depth of subdomain, never the domain itself, never an IP
    address. Whatever else a pattern holds matches nothing. `allow_insecure` (the local stack) also permits http, any
    port and loopback addresses; the host must still be an allowed one.
    """

    allowed_hosts: tuple[str, ...]
    allow_insecure: bool = False

    def check_url(self, url: str) -> str:
        """Return the host of a permitted URL. Raises `InvalidInputError`, which does not show the URL."""
        return self.locate(url).host

    def locate(self, url: str) -> Endpoint:
        """Return the endpoint of a permitted URL. Raises `InvalidInputError`, which does not show the URL."""
        endpoint = _parse(url)
        if endpoint.scheme != "https" and not self.allow_insecure:
            _refuse("must use https")
        if endpoint.port != DEFAULT_PORTS["https"] and not self.allow_insecure:
            _refuse("must use port 443")
        if not any(_matches(endpoint, pattern.lower()) for pattern in self.allowed_hosts):
            _refuse("must be on an allowed host")
        return endpoint

    def permits_address(self, address: str, denied: Iterable[Network]) -> bool:
        """Tell whether an IP address may be connected to: globally reachable, of no special use, in no denied network.

        Python knows the registries of IANA; `denied` adds what they do not tell, such as the addresses of a cloud's
        own platform. An IPv4-mapped address counts as the IPv4 address in it. One that leads through a tunnel is not
        permitted, nor is text that is no address.
        """
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, IPv6Address):
            if ip.scope_id is not None or ip.packed[8:12] in _ISATAP:
                return False
            ip = ip.ipv4_mapped or ip
        if ip.is_loopback:
            return self.allow_insecure
        special = ip.is_multicast or ip.is_reserved or not ip.is_global
        return not special and not any(ip in network for network in denied)


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds to wait from a `Retry-After` header (RFC 9110, 10.2.3); None for the past and for garbage."""
    if _DELTA_SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    wait = (at - now).total_seconds()
    return wait if wait >= 0 else None


def _parse(url: str) -> Endpoint:
    if len(url) > MAX_URL_LENGTH:
        _refuse(f"must be at most {MAX_URL_LENGTH} characters long")
    found = _URL.fullmatch(url)
    if found is None:
        _refuse("must be an absolute URL in printable ASCII, without user information, fragment or backslash")
    scheme = found["scheme"].lower()
    endpoint = Endpoint(
        scheme=scheme,
        host=(found["name"] or found["v4"] or found["v6"]).lower(),
        port=int(found["port"] or DEFAULT_PORTS[scheme]),
        is_address=found["name"] is None,
        target=found["target"],
    )
    if not _is_well_formed(endpoint):
        _refuse("must name a valid host and port")
    return endpoint


def _is_well_formed(endpoint: Endpoint) -> bool:
    """Check what the expression cannot. An address has one spelling here, so that it compares as text."""
    if len(endpoint.host) > MAX_HOST_LENGTH or endpoint.port > MAX_PORT:
        return False
    if not endpoint.is_address:
        return True
    try:
        return str(ip_address(endpoint.host)) == endpoint.host
    except ValueError:
        return False


def _matches(endpoint: Endpoint, pattern: str) -> bool:
    if pattern.startswith("*."):
        return not endpoint.is_address and endpoint.host.endswith(pattern[1:])
    return endpoint.host == pattern.removeprefix("[").removesuffix("]")


def _refuse(message: str) -> NoReturn:
    raise InvalidInputError({CALLBACK_FIELD: message})
