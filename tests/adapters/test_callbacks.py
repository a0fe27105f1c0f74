"""Calls to callbacks over real sockets: what is sent, to whom, and what every kind of answer becomes."""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters import callbacks
from shared.adapters.callbacks import MAX_BODY_BYTES, CallbackClient
from shared.domain.callbacks import Answer, CallbackPolicy
from shared.errors import InvalidInputError

SECRET = "c2lnbmF0dXJl"
PUBLIC, PUBLIC6 = "52.174.1.1", "2603:1020:206::1"
AZURE = CallbackPolicy(("*.logic.azure.com",))
AZURE_URL = f"https://prod-01.westeurope.logic.azure.com/workflows/0a?sp=%2Ftriggers&sig={SECRET}"
LOCAL = CallbackPolicy(("flow.test", "127.0.0.1"), allow_insecure=True)
BODY = b'{"id":"e1"}'
HEADERS = {"Content-Type": "application/json", "webhook-id": "e1", "User-Agent": "customer-insights-event-bridge/0"}
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

type Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Flow:
    """A scripted server on 127.0.0.1 that keeps the bytes of each request, and counts connections."""

    def __init__(self, reply: bytes | Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    def url(self, target: str = f"/x?sig={SECRET}", scheme: str = "http") -> str:
        return f"{scheme}://flow.test:{self.port}{target}"

    @property
    def targets(self) -> list[str]:
        return [request.split(b" ", 2)[1].decode() for request in self.requests]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(len(BODY)))
                if callable(self.reply):
                    await self.reply(reader, writer)
                else:
                    writer.write(self.reply)
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def flow(reply: bytes | Reply = ACCEPTED, tls: ssl.SSLContext | None = None) -> AsyncIterator[Flow]:
    receiver = Flow(reply)
    server = await asyncio.start_server(receiver.talk, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        server.abort_clients()


class Resolver:
    """Gives the scripted answers one after another, the last one for ever, and counts the questions."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = answers
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        del host, port
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.asynccontextmanager
async def calling(
    policy: CallbackPolicy = LOCAL,
    *addresses: list[str] | Exception,
    seconds: float = 5,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[CallbackClient]:
    resolve = Resolver(*addresses or (["127.0.0.1"],))
    client = CallbackClient(policy, seconds, resolve=resolve, tls=tls)
    try:
        yield client
    finally:
        await client.close()


async def post_once(reply: bytes | Reply, *, seconds: float = 5) -> Answer:
    async with flow(reply) as receiver, calling(seconds=seconds) as client:
        return await client.post(receiver.url(), BODY, HEADERS)


_watching: list[list[tuple[str, int]]] = []


def _note_connects(event: str, arguments: tuple[object, ...]) -> None:
    """Keep every address that Python connects to, and let nothing out of this machine."""
    if event == "socket.connect" and _watching:
        address = arguments[1]
        assert isinstance(address, tuple)
        _watching[-1].append(address[:2])
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError(SECRET)


sys.addaudithook(_note_connects)  # cannot be taken away again, so it sleeps unless a test watches


@pytest.fixture
def connects() -> Iterator[list[tuple[str, int]]]:
    _watching.append([])
    yield _watching[-1]
    _watching.pop()


# What is sent


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/workflows/0a/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-_b",
        "/%2F/%2f/%41/%7e/~/%zz/%",
        "//a//b/./c/../d/",
        "/a+b%20c?d+e=%2B&f=%20",
        "/x?",
        "/x??a=b?",
        "/?a=&b&=c&&",
        "/x?a=b;c=d&e=%C3%BC&f[]=1&g={h}|^`\"'<>",
        "/@user:password@evil.example/http://evil.example/",
        f"/{'a' * 8_000}",
    ],
)
async def test_the_request_target_is_the_url_s_byte_for_byte(target: str) -> None:
    async with flow() as receiver, calling() as client:
        assert await client.post(receiver.url(target), BODY, HEADERS) == Answer(status=202)
        assert receiver.targets == [target]


@pytest.mark.parametrize(("rest", "target"), [("", "/"), ("?a=b", "/?a=b"), ("?", "/?")])
async def test_an_empty_path_becomes_a_slash(rest: str, target: str) -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url(rest), BODY, HEADERS)
        assert receiver.targets == [target]


async def test_the_request_holds_what_the_caller_gave_and_what_http_needs() -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url("/x"), BODY, HEADERS)
        head, body = receiver.requests[0].split(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        assert body == BODY
        assert line == "POST /x HTTP/1.1"
        assert sorted(headers) == [
            "Accept-Encoding: identity",
            f"Content-Length: {len(BODY)}",
            "Content-Type: application/json",
            f"Host: flow.test:{receiver.port}",
            "User-Agent: customer-insights-event-bridge/0",
            "webhook-id: e1",
        ]


@pytest.mark.parametrize("character", ["\r\n", "\n", "\r", "\0"])
async def test_a_header_cannot_break_out_of_its_line(character: str) -> None:
    for header in ({"webhook-id": f"e1{character}X: y"}, {f"webhook-id{character}X": "y"}):
        async with flow() as receiver, calling() as client:
            with pytest.raises(ValueError, match="header"):
                await client.post(receiver.url(), BODY, header)
            assert receiver.requests == []


async def test_the_environment_names_no_proxy_and_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine flow.test login user password hidden")
    monkeypatch.setenv("NETRC", str(netrc))
    async with flow() as proxy, flow() as receiver, calling() as client:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await client.post(receiver.url(), BODY, HEADERS)
        assert proxy.connections == 0
        assert b"authorization" not in receiver.requests[0].lower()


async def test_cookies_are_not_kept() -> None:
    async with flow(ACCEPTED.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")) as receiver, calling() as client:
        for _ in range(2):
            await client.post(receiver.url(), BODY, HEADERS)
        assert b"cookie" not in receiver.requests[1].lower()


# What becomes of answers


@pytest.mark.parametrize("status", [200, 202, 204, 400, 401, 404, 410, 429, 500, 503])
async def test_an_answer_has_its_status_and_body(status: int) -> None:
    body = b"" if status == 204 else b'{"error":{"code":"WorkflowTriggerIsNotEnabled"}}'
    answer = await post_once(b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
    assert answer == Answer(status=status, body=body.decode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with flow() as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/".encode()
        answer = await post_once(b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location))
        assert answer == Answer(status=status)
        assert elsewhere.connections == 0


async def test_an_answer_that_never_ends_is_read_up_to_64_kib() -> None:
    sent = 0

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()
            sent += 10_000

    answer = await post_once(stream)
    assert answer == Answer(status=400, body="x" * MAX_BODY_BYTES)
    assert sent < 16_000_000  # what the system's buffers took before the connection was closed


async def test_a_compressed_answer_is_not_unpacked() -> None:
    answer = await post_once(
        b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    )
    assert answer == Answer(status=400, body="\x1f\ufffd\x08\x00")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("120", 120, 120),
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 3000, 3600, id="in an hour"),
    ],
)
async def test_retry_after_is_told_in_seconds(value: str, low: float, high: float) -> None:
    head = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    answer = await post_once(head.encode())
    assert answer.retry_after is not None
    assert low <= answer.retry_after <= high


@pytest.mark.parametrize("value", ["", "-5", "soon", "Mon, 04 May 2020 12:00:00 GMT"])
async def test_a_retry_after_that_makes_no_sense_is_none(value: str) -> None:
    answer = await post_once(f"HTTP/1.1 503 No\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer == Answer(status=503)


# What becomes of failures


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def drip(head: bytes) -> Reply:
    """Make a reply that sends the head at once, and then a byte now and then without end."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    return reply


def cut(beginning: bytes) -> Reply:
    """Make a reply that ends after its beginning."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await writer.drain()
        writer.close()

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        say_nothing,
        drip(b"HTTP/1.1 400 Bad Request\r\nX: "),
        drip(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 60000\r\n\r\n"),
    ],
)
async def test_an_attempt_ends_at_its_time(reply: Reply) -> None:
    began = time.monotonic()
    answer = await post_once(reply, seconds=0.2)
    assert answer == Answer(failure="timeout")
    assert 0.15 < time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (reset, "connection failed: "),
        (close, "connection failed: ServerDisconnectedError"),
        (cut(b"HTTP/1.1 400 Bad"), "connection failed: ServerDisconnectedError"),
        (cut(b"SSH-2.0-OpenSSH_9.6\r\n"), "answer not readable: ClientResponseError"),
        (cut(b"HTTP/1.1 many OK\r\n\r\n"), "answer not readable: ClientResponseError"),
        (cut(b"HTTP/1.1 400 Bad Request\r\nX\r\n\r\n"), "answer not readable: ClientResponseError"),
        (
            cut(b"HTTP/1.1 400 Bad Request\r\nX: %s\r\n\r\n" % (b"x" * 20_000)),
            "answer not readable: ClientResponseError",
        ),
        (cut(b"HTTP/1.1 400 B\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "answer not readable: "),
        (cut(b"HTTP/1.1 400 B\r\nContent-Length: 100\r\n\r\n{"), "answer not readable: ClientPayloadError"),
        (cut(b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"), "answer not readable: "),
        (
            cut(b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "answer not readable: ClientPayloadError",
        ),
    ],
)
async def test_what_is_no_answer_is_a_failure(reply: Reply, failure: str) -> None:
    answer = await post_once(reply)
    assert answer.failure is not None
    assert answer.failure.startswith(failure)
    assert answer == Answer(failure=answer.failure)


@pytest.mark.parametrize(
    "reply",
    [
        cut(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"),
        cut(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        drip(b"HTTP/1.1 202 Accepted\r\nContent-Length: 60000\r\n\r\n"),
    ],
)
async def test_a_success_counts_even_if_its_body_breaks_off(reply: Reply) -> None:
    assert await post_once(reply, seconds=0.2) == Answer(status=202)


@settings(deadline=None, max_examples=200)
@given(
    start=st.sampled_from(
        [b"", b"HTTP/1.1 ", b"HTTP/1.1 400 B\r\n", b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n"]
    ),
    rest=st.binary(max_size=60) | st.text(":;, \r\nA0f/.=").map(str.encode),
)
def test_no_answer_whatever_raises(start: bytes, rest: bytes) -> None:
    answer = asyncio.run(post_once(cut(start + rest)))
    assert (answer.status is None) is (answer.failure is not None)
    assert not answer.refused


async def test_nobody_listening_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with calling() as client:
            answer = await client.post(f"http://flow.test:{taken.getsockname()[1]}/x", BODY, HEADERS)
    assert answer == Answer(failure="connection failed: ConnectionRefusedError")


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_big_body_that_nobody_reads_is_a_failure() -> None:
    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)

    async with flow(listen) as receiver, calling(seconds=0.2) as client:
        answer = await client.post(receiver.url(), bytes(1_000_000 * 8), HEADERS)
        assert answer == Answer(failure="timeout")


async def test_an_attempt_can_be_cancelled() -> None:
    async with flow(say_nothing) as receiver, calling() as client:
        attempt = asyncio.create_task(client.post(receiver.url(), BODY, HEADERS))
        await asyncio.sleep(0.05)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


# Connections that are kept


async def test_a_connection_is_used_again() -> None:
    async with flow(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nbody") as receiver, calling() as client:
        for _ in range(3):
            assert (await client.post(receiver.url(), BODY, HEADERS)).body == "body"
        assert receiver.connections == 1


async def test_a_kept_connection_that_closes_as_it_is_used_is_a_failure() -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(receiver.requests) == 1:
            writer.write(ACCEPTED)
        else:
            writer.close()

    async with flow(once) as receiver, calling() as client:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(
            failure="connection failed: ServerDisconnectedError"
        )
        assert len(receiver.requests) == 2  # the POST was not tried twice


async def test_one_slow_callback_holds_up_no_other() -> None:
    async with flow(say_nothing) as slow, flow() as quick, calling(seconds=0.5) as client:
        waiting = [asyncio.create_task(client.post(slow.url(), BODY, HEADERS)) for _ in range(150)]
        await asyncio.sleep(0.1)
        assert await client.post(quick.url(), BODY, HEADERS) == Answer(status=202)
        assert not any(attempt.done() for attempt in waiting)
        assert {answer.failure for answer in await asyncio.gather(*waiting)} == {"timeout"}


async def test_a_closed_client_opens_again_when_used() -> None:
    async with flow() as receiver, calling() as client:
        await client.close()
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        await client.close()
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)


# Which addresses are connected to


async def test_the_address_that_was_checked_is_the_one_connected_to(connects: list[tuple[str, int]]) -> None:
    resolve = Resolver([PUBLIC], ["127.0.0.1"])
    client = CallbackClient(AZURE, 5, resolve=resolve)
    answer = await client.post(AZURE_URL, BODY, HEADERS)
    assert answer == Answer(failure="connection failed: ConnectionRefusedError")
    assert connects == [(PUBLIC, 443)]
    assert resolve.asked == 1
    assert await client.post(AZURE_URL, BODY, HEADERS) == Answer(failure="address not permitted")
    assert connects == [(PUBLIC, 443)]
    await client.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        [PUBLIC, "127.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC, PUBLIC6, "::ffff:169.254.169.254"],
        ["168.63.129.16"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%1"],
    ],
)
async def test_one_forbidden_address_is_enough_to_connect_nowhere(
    addresses: list[str], connects: list[tuple[str, int]]
) -> None:
    async with calling(AZURE, addresses) as client:
        assert await client.post(AZURE_URL, BODY, HEADERS) == Answer(failure="address not permitted")
        with pytest.raises(InvalidInputError) as caught:
            await client.admit(AZURE_URL)
    assert list(caught.value.fields) == ["callbackUrl"]
    assert SECRET not in str(caught.value)
    assert connects == []


async def test_a_name_admitted_with_a_public_address_is_not_called_at_a_private_one(
    connects: list[tuple[str, int]],
) -> None:
    async with calling(AZURE, [PUBLIC], ["127.0.0.1"]) as client:
        assert await client.admit(AZURE_URL) == "prod-01.westeurope.logic.azure.com"
        assert await client.post(AZURE_URL, BODY, HEADERS) == Answer(failure="address not permitted")
    assert connects == []


async def test_a_kept_connection_is_not_used_once_the_name_leads_elsewhere() -> None:
    async with flow() as receiver, calling(LOCAL, ["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]) as client:
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(failure="address not permitted")
        assert await client.post(receiver.url(), BODY, HEADERS) == Answer(status=202)
        assert len(receiver.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"])
async def test_an_address_in_the_url_is_checked_too(host: str, connects: list[tuple[str, int]]) -> None:
    async with calling(CallbackPolicy((host,)), [PUBLIC]) as client:
        assert await client.post(f"https://{host}/x", BODY, HEADERS) == Answer(failure="address not permitted")
        with pytest.raises(InvalidInputError):
            await client.admit(f"https://{host}/x")
    assert connects == []


async def test_an_address_in_the_url_is_called_without_a_lookup() -> None:
    resolve = Resolver(["10.0.0.1"])
    client = CallbackClient(LOCAL, 5, resolve=resolve)
    async with flow() as receiver:
        answer = await client.post(f"http://127.0.0.1:{receiver.port}/x", BODY, HEADERS)
        await client.close()
    assert answer == Answer(status=202)
    assert resolve.asked == 0


async def test_attempts_side_by_side_go_each_to_its_own_addresses(connects: list[tuple[str, int]]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        del port
        await asyncio.sleep(0)
        return [f"52.174.1.{host.partition('.')[0]}"]

    client = CallbackClient(AZURE, 5, resolve=resolve)
    await asyncio.gather(*(client.post(f"https://{n}.logic.azure.com/", BODY, HEADERS) for n in range(1, 20)))
    await client.close()
    assert sorted(connects) == sorted((f"52.174.1.{n}", 443) for n in range(1, 20))


async def test_without_a_check_there_is_no_connection() -> None:
    with pytest.raises(OSError, match="no address was checked"):
        await callbacks._CheckedAddresses().resolve("prod-01.westeurope.logic.azure.com", 443)


@pytest.mark.parametrize("network", callbacks._special_networks(), ids=str)
@pytest.mark.parametrize("policy", [AZURE, LOCAL], ids=["azure", "local"])
def test_no_special_network_is_permitted_but_loopback_to_the_local_stack(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, policy: CallbackPolicy
) -> None:
    local = policy is LOCAL and network.is_loopback
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert policy.permits_address(str(address), callbacks._special_networks()) is local


# What may be subscribed


@pytest.mark.parametrize(
    "url",
    [AZURE_URL.replace("https", "http"), AZURE_URL.replace("azure.com", "azure.com:444"), "https://evil.example/"],
)
async def test_a_url_against_the_rules_is_not_admitted_and_not_called(
    url: str, connects: list[tuple[str, int]]
) -> None:
    resolve = Resolver([PUBLIC])
    client = CallbackClient(AZURE, 5, resolve=resolve)
    with pytest.raises(InvalidInputError):
        await client.admit(url)
    answer = await client.post(url, BODY, HEADERS)
    assert answer.refused
    assert answer.status is None
    assert answer.failure is not None
    assert SECRET not in repr(answer)
    assert resolve.asked == 0
    assert connects == []


@pytest.mark.parametrize("answer", [socket.gaierror(socket.EAI_AGAIN, "try again"), OSError(), TimeoutError(), []])
async def test_a_name_that_does_not_resolve_now_is_admitted_but_not_called(answer: list[str] | Exception) -> None:
    async with calling(AZURE, answer) as client:
        assert await client.admit(AZURE_URL) == "prod-01.westeurope.logic.azure.com"
        failed = await client.post(AZURE_URL, BODY, HEADERS)
    assert failed.failure is not None
    assert not failed.refused


async def test_a_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        del host, port
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(callbacks, "LOOKUP_SECONDS", 0.05)
    client = CallbackClient(AZURE, 5, resolve=resolve)
    assert await client.admit(AZURE_URL) == "prod-01.westeurope.logic.azure.com"
    assert await client.post(AZURE_URL, BODY, HEADERS) == Answer(failure="timeout")


async def test_the_system_s_lookup_finds_all_addresses_of_a_name() -> None:
    found = await callbacks.look_up("localhost", 443)
    assert found
    assert all(ipaddress.ip_address(address).is_loopback for address in found)
    assert len(found) == len(set(found))


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for flow.test, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "flow.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("flow.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "flow.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


async def test_the_name_of_the_url_is_asked_for_and_verified(authority: Path, server_tls: ssl.SSLContext) -> None:
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=authority)
    policy = CallbackPolicy(("flow.test", "other.test"), allow_insecure=True)
    async with flow(tls=server_tls) as receiver, calling(policy, tls=trusting) as client:
        url = receiver.url(scheme="https")
        assert await client.post(url, BODY, HEADERS) == Answer(status=202)
        assert await client.post(url.replace("flow.test", "other.test"), BODY, HEADERS) == Answer(
            failure="connection failed: SSLCertVerificationError"
        )
    assert asked == ["flow.test", "other.test"]
    assert len(receiver.requests) == 1


async def test_a_certificate_of_an_unknown_authority_is_a_failure(server_tls: ssl.SSLContext) -> None:
    async with flow(tls=server_tls) as receiver, calling() as client:
        answer = await client.post(receiver.url(scheme="https"), BODY, HEADERS)
    assert answer == Answer(failure="connection failed: SSLCertVerificationError")
    assert receiver.requests == []


async def test_a_server_that_does_not_speak_tls_is_a_failure() -> None:
    async with flow() as receiver, calling(seconds=0.3) as client:
        answer = await client.post(receiver.url(scheme="https"), BODY, HEADERS)
    assert answer.failure is not None


# Secrets


@pytest.mark.parametrize(
    "reply",
    [reset, close, say_nothing, cut(b"garbage\r\n\r\n"), cut(b"HTTP/1.1 400 B\r\nContent-Length: 9\r\n\r\n"), ACCEPTED],
)
@pytest.mark.parametrize("size", [len(BODY), 4_000_000])
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_no_failure_and_no_log_line_shows_the_url(
    reply: bytes | Reply, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(False)
    async with flow(reply) as receiver, calling(seconds=0.1) as client:
        answer = await client.post(receiver.url(), BODY.ljust(size), HEADERS)
        assert SECRET not in repr(answer)
    await asyncio.sleep(0)
    gc.collect()  # asyncio logs a failure that nobody asked for when it is thrown away
    await asyncio.sleep(0)
    assert SECRET not in caplog.text


async def test_the_client_shows_nothing() -> None:
    async with flow() as receiver, calling() as client:
        await client.post(receiver.url(), BODY, HEADERS)
        assert SECRET not in repr(client)
        assert SECRET not in repr(client._session)
