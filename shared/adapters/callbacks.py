"""The calls to callbacks over HTTP: one POST per attempt, to addresses that were checked, and nowhere else.

An attempt looks the host up once and checks every address; a new connection goes to exactly those addresses, and a kept
one leads to an address that has passed the same fixed rule, so no connection ever leads to a forbidden one.
Nothing here follows a redirect, keeps a cookie, obeys a proxy of the environment or tries a POST twice. No URL, and no
text of an exception, which may hold one, leaves this module.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from ipaddress import ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.domain.callbacks import (
    CALLBACK_FIELD,
    Answer,
    CallbackPolicy,
    Endpoint,
    Network,
    parse_retry_after,
)
from shared.errors import InvalidInputError

type Resolve = Callable[[str, int], Awaitable[list[str]]]

MAX_BODY_BYTES = 64 * 1024
LOOKUP_SECONDS = 3.0
KEEPALIVE_SECONDS = 15.0  # a burst of deliveries shares connections, so Azure's outbound ports (SNAT) do not run out

# aiohttp asks a session's resolver for a host, in the task of the request: here it finds what that attempt has checked.
_checked_addresses: ContextVar[Sequence[str]] = ContextVar("checked_addresses", default=())


class _AddressNotPermittedError(Exception):
    """The host has an address that may not be connected to."""


class _CheckedAddresses(AbstractResolver):
    """Gives aiohttp the addresses that the current attempt has checked, and looks nothing up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses. Raises `OSError` when there is none: nothing is connected to unchecked."""
        addresses = _checked_addresses.get()
        if not addresses:
            raise OSError("no address was checked")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: nothing is held."""


async def look_up(host: str, port: int) -> list[str]:
    """Return all addresses of a host, IPv4 and IPv6. Raises `OSError` when it has none or they cannot be learned."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


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
        resolve: Resolve = look_up,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def admit(self, url: str) -> str:
        """Return the host of a URL that may be subscribed. Raises `InvalidInputError` on the callback URL.

        A host that cannot be resolved at the moment is admitted: every attempt checks it again.
        """
        endpoint = self._policy.locate(url)
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
            endpoint = self._policy.locate(url)
        except InvalidInputError as error:
            return Answer(failure=f"callback not permitted: {error.fields[CALLBACK_FIELD]}", refused=True)
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._send(endpoint, body, headers)
        except _AddressNotPermittedError:
            return Answer(failure="address not permitted")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(failure=_describe(error))
        try:
            return await _answer(response, deadline)
        finally:
            response.close()  # a connection whose answer was read to its end is back in the pool by now

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        _checked_addresses.set(await self._check_addresses(endpoint))
        return await self._open_session().post(
            # Built of the parts that were checked; the query stands in the path, or yarl would drop a bare "?".
            URL.build(scheme=endpoint.scheme, authority=endpoint.authority, path=_target(endpoint), encoded=True),
            data=body,
            headers={**headers, "Accept-Encoding": "identity"},
            allow_redirects=False,
        )

    async def _check_addresses(self, endpoint: Endpoint) -> Sequence[str]:
        """Return all addresses of the endpoint, one at least. Raises `OSError` and `_AddressNotPermittedError`."""
        addresses = [endpoint.host] if endpoint.is_address else await self._addresses(endpoint)
        if not all(self._policy.permits_address(address, _special_networks()) for address in addresses):
            raise _AddressNotPermittedError
        return addresses

    async def _addresses(self, endpoint: Endpoint) -> Sequence[str]:
        async with asyncio.timeout(LOOKUP_SECONDS):
            addresses = await self._resolve(endpoint.host, endpoint.port)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no addresses")
        return addresses

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session; made on first use, because it belongs to the loop that runs then."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_CheckedAddresses(),
                    use_dns_cache=False,
                    keepalive_timeout=KEEPALIVE_SECONDS,
                    limit=0,  # no slow callback makes another one wait for a connection
                    ssl=self._tls or True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),  # none of aiohttp's own: the deadline of the attempt covers all
                trust_env=False,
                auto_decompress=False,  # 64 KiB stay 64 KiB
                skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            )
        return self._session


@cache
def _special_networks() -> tuple[Network, ...]:
    """Return the networks that Microsoft's AntiSSRF denies to calls that are meant for the Internet.

    Imported on first use: the package loads `requests`, which a cold start need not wait for.
    """
    from AntiSSRF import IPAddressRanges  # noqa: PLC0415 - see above

    return tuple(ip_network(network) for network in IPAddressRanges.recommended_latest)


def _target(endpoint: Endpoint) -> str:
    """Return the request target; RFC 9112, 3.2.1 puts a slash before an empty path."""
    return endpoint.target if endpoint.target.startswith("/") else f"/{endpoint.target}"


async def _answer(response: aiohttp.ClientResponse, deadline: float) -> Answer:
    """Read the answer. A success counts even if its body breaks off; any other body decides what is to be done."""
    body = ""
    try:
        async with asyncio.timeout_at(deadline):
            body = await _read(response.content)
    except (aiohttp.ClientError, OSError) as error:
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(failure=_describe(error))
    retry_after = parse_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
    return Answer(status=response.status, body=body, retry_after=retry_after)


async def _read(content: aiohttp.StreamReader) -> str:
    received = bytearray()
    while chunk := await content.read(MAX_BODY_BYTES - len(received)):  # at the limit: to read no byte gives none
        received += chunk
    return received.decode(errors="replace")


def _describe(error: aiohttp.ClientError | OSError) -> str:
    """Name a failure by the type of its cause: the text of these exceptions may hold the URL."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "host name not resolved"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return f"answer not readable: {type(error).__name__}"
    cause = error.__cause__ or error
    return f"connection failed: {type(cause).__name__}"
