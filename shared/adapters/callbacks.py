"""The calls to callbacks over HTTP: one POST per attempt, to addresses that were checked, and nowhere else.

Each attempt checks every address of the host, and a new connection goes to exactly those addresses. Nothing here
follows a redirect, keeps a cookie or obeys a proxy of the environment. No URL, and no text of an exception, which may
hold one, leaves this module.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, lru_cache
from ipaddress import ip_network

from shared.adapters.answer_reader import AnswerReader
from shared.adapters.connections import Connections
from shared.adapters.lookups import Lookups
from shared.domain.callbacks import CALLBACK_FIELD, Answer, CallbackPolicy, Endpoint, Network
from shared.errors import InvalidInputError

type Resolve = Callable[[str], Awaitable[Sequence[str]]]

MAX_KNOWN_URLS, MAX_KNOWN_ADDRESSES = 256, 4_096

# Of all names and of all values together.
_HEADER_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUES = re.compile(r"[^\x00-\x1f\x7f]*")


class _AddressNotPermittedError(Exception):
    """The host has an address that may not be connected to."""


class CallbackClient:
    """Admits and calls callbacks, within `policy`. Used from one event loop; `close` it there at the end.

    `timeout_seconds` bounds one attempt from the lookup to the last byte of the answer. `resolve` gives a host's
    addresses (`OSError`: none known). `tls` replaces the system's certificate authorities; names are always verified.
    """

    def __init__(
        self,
        policy: CallbackPolicy,
        timeout_seconds: float,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._lookups = Lookups()
        self._resolve = resolve or self._lookups
        self._connections = Connections(tls)
        # The rules are fixed, so a URL and an address are judged once.
        self._locate = lru_cache(MAX_KNOWN_URLS)(policy.locate)
        self._permits = lru_cache(MAX_KNOWN_ADDRESSES)(
            lambda address: policy.permits_address(address, _special_networks())
        )

    async def admit(self, url: str) -> str:
        """Return the host of a URL that may be subscribed. Raises `InvalidInputError` on the callback URL.

        A host that cannot be resolved at the moment is admitted: every attempt checks it again.
        """
        endpoint = self._locate(url)
        try:
            await self._check_addresses(endpoint)
        except _AddressNotPermittedError:
            raise InvalidInputError(
                {CALLBACK_FIELD: "must not lead to a private, loopback or otherwise special address"}
            ) from None
        except OSError:
            pass
        return endpoint.host

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one attempt and tell what came of it; nothing that the other side or the network does raises.

        Raises `ValueError` for a header that would break out of its line: that is a fault of the caller.
        """
        try:
            endpoint = self._locate(url)
        except InvalidInputError as error:
            return Answer(failure=f"callback not permitted: {error.fields[CALLBACK_FIELD]}", refused=True)
        request, reader = _request(endpoint, body, headers), AnswerReader()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._attempt(endpoint, request, reader)
        except _AddressNotPermittedError:
            return Answer(failure="address not permitted")
        except OSError as error:
            reader.end(cleanly=False)
            if reader.status is None:
                return Answer(failure=_describe(error))
        return reader.answer()

    async def close(self) -> None:
        """Close all connections, and let go of the threads."""
        self._connections.close()
        self._lookups.close()
        await asyncio.sleep(0)  # a connection is closed in the loop's next turn

    async def _attempt(self, endpoint: Endpoint, request: bytes, reader: AnswerReader) -> None:
        addresses = await self._check_addresses(endpoint)
        connection = self._connections.take(endpoint)
        if connection is not None:
            try:
                await connection.exchange(request, reader)
            except OSError:
                # A kept connection that ends without a word was most likely closed before the request came, for
                # it had been idle too long. Should the flow have the event all the same, it gets it again with its
                # id: as after every attempt without an answer, only not later. A new connection has no such excuse.
                if reader.has_begun:
                    raise
                connection = None
        if connection is None:
            connection = await self._connections.open(endpoint, addresses)
            await connection.exchange(request, reader)
        self._connections.keep(endpoint, connection)

    async def _check_addresses(self, endpoint: Endpoint) -> Sequence[str]:
        """Return all addresses of the endpoint, one at least. Raises `OSError` and `_AddressNotPermittedError`."""
        addresses = [endpoint.host] if endpoint.is_address else await self._addresses(endpoint.host)
        if not all(map(self._permits, addresses)):
            raise _AddressNotPermittedError
        return addresses

    async def _addresses(self, host: str) -> Sequence[str]:
        addresses = await self._resolve(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
        return addresses


@cache
def _special_networks() -> tuple[Network, ...]:
    """Return the networks that Microsoft's AntiSSRF denies to calls that are meant for the Internet.

    Imported on first use: the package loads `requests`, which a cold start need not wait for.
    """
    from AntiSSRF import IPAddressRanges  # noqa: PLC0415 - see above

    return tuple(ip_network(network) for network in IPAddressRanges.recommended_latest)


def _request(endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The request as it goes over the wire; the target is the URL's byte for byte."""
    lines = {
        "Host": endpoint.authority,
        **headers,
        "Accept-Encoding": "identity",  # so that 64 KiB stay 64 KiB
        "Content-Length": str(len(body)),
    }
    are_plain = _HEADER_NAMES.fullmatch("".join(lines)) and _HEADER_VALUES.fullmatch("".join(lines.values()))
    if not are_plain or "" in lines:
        raise ValueError("a header would break out of its line")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    # RFC 9112, 3.2.1 puts a slash before an empty path.
    target = endpoint.target if endpoint.target.startswith("/") else f"/{endpoint.target}"
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def _describe(error: OSError) -> str:
    """Name a failure by its type: the text of these exceptions may hold the URL."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "host name not resolved"
    return f"connection failed: {type(error).__name__}"
