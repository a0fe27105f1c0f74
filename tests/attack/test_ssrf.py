"""No callback leads the bridge inside, whatever its URL, the name servers and the flow say: nobody arrives there.

The rule for URLs and the rule for addresses are tried apart, each as if the other let everything through.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from typing import override
from urllib.parse import urlsplit

import aiohttp
import pytest

from shared.adapters.callbacks import CallbackClient
from shared.domain.callbacks import Answer, CallbackPolicy, Network
from shared.domain.deliveries import Stage
from shared.errors import InvalidInputError
from shared.settings import DEFAULTS
from tests.adapters.scripted_flow import AZURE, AZURE_URL, BODY, HEADERS, LOCAL, PUBLIC, PUBLIC6, Resolver, flow
from tests.attack.corpus import ANSWERS, URLS, Kind, hosts_in
from tests.fakes import CipherFake
from tests.outgoing import Listening, connects, listening
from tests.triggers.api import Api
from tests.usecases.world import World, subscription

__all__ = ["connects", "listening"]  # fixtures of that module, used here too

SUBSCRIBE = "/triggers/data-source-refresh-failed/subscriptions"
DEPLOYED = tuple(DEFAULTS["CALLBACK_ALLOWED_HOSTS"].split(","))
EVERY_HOST = ("*.test", *{host for kind in URLS for url in kind.each for host in hosts_in(url)})
NOT_PERMITTED = Answer(failure="address not permitted")

type Connects = list[tuple[str, int]]


class AnyAddress(CallbackPolicy):
    """A policy that has lost its rule for addresses."""

    @override
    def permits_address(self, address: str, denied: Iterable[Network]) -> bool:
        return True


# What is refused by either alone.
RULES: Mapping[str, CallbackPolicy] = {
    "the rule for URLs": AnyAddress(DEPLOYED),
    "the rule for addresses": CallbackPolicy(EVERY_HOST),
}


@asynccontextmanager
async def inside(policy: CallbackPolicy) -> AsyncIterator[CallbackClient]:
    """A client for which every name leads to this machine."""
    client = CallbackClient(policy, 5, resolve=Resolver(["127.0.0.1", "::1"]))
    yield client
    await client.close()


def each_of(kind: Kind, listening: Listening) -> list[str]:
    return [url.replace("{port}", str(listening.port)) for url in kind.each]


# URLs


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", URLS, ids=str)
async def test_no_such_url_is_subscribed(kind: Kind, rule: str, connects: Connects, listening: Listening) -> None:
    async with inside(RULES[rule]) as client:
        world = World()
        world.callbacks = client  # type: ignore[assignment]
        world.begin()
        for url in each_of(kind, listening):
            answered = await Api(world).post(SUBSCRIBE, {"callbackUrl": url, "instanceId": "i1"})
            assert answered.wrong == {"callbackUrl"}, url
    assert set(world.subscriptions.rows) == {"s1"}
    assert (connects, await listening.arrived()) == ([], 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", URLS, ids=str)
async def test_no_such_url_is_called_where_an_older_version_has_stored_it(
    kind: Kind, rule: str, connects: Connects, listening: Listening
) -> None:
    async with inside(RULES[rule]) as client:
        for url in each_of(kind, listening):
            stored = replace(subscription(), callback=CipherFake().seal(url, context="s1"))
            world = World(of=stored, max_age=timedelta(minutes=1))
            world.callbacks = client  # type: ignore[assignment]
            world.begin()
            await world.run()
            assert world.stage() is Stage.DEAD, url
            assert world.delivery().status is None, url
    assert (connects, await listening.arrived()) == ([], 0)


async def test_a_client_without_rules_arrives(connects: Connects, listening: Listening) -> None:
    """The control: who takes what `urlsplit` and the system make of a URL goes there, and is seen."""
    led, arrived = set(), 0
    for kind in URLS:
        for url in each_of(kind, listening):
            before = len(connects)
            with contextlib.suppress(OSError, ValueError):
                parts = urlsplit(url.strip())
                for family, *_, where in socket.getaddrinfo(
                    parts.hostname, parts.port or 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
                ):
                    with socket.socket(family) as sock:
                        sock.connect(where)
            arrived += await listening.arrived()
            led |= {kind.name} if len(connects) > before else set()
    assert len(connects) > 150
    assert len(led) > 12
    assert arrived > 10


async def test_without_the_rule_for_addresses_a_url_on_an_allowed_host_arrives(
    connects: Connects, listening: Listening
) -> None:
    """The control: the rule for URLs alone does not keep inside out of a careless list of allowed hosts."""
    async with inside(AnyAddress(EVERY_HOST)) as client:
        for url in [url for kind in URLS for url in each_of(kind, listening)]:
            await client.post(url, BODY, HEADERS)
    assert len(connects) > 100


# Answers of name servers


@pytest.mark.parametrize("kind", ANSWERS, ids=str)
async def test_no_name_that_leads_to_such_an_address_is_subscribed_or_called(kind: Kind, connects: Connects) -> None:
    for address in kind.each:
        for answer in (
            [address],
            [PUBLIC, address],
            [address, PUBLIC6],
            [*(f"52.174.1.{n}" for n in range(100)), address],
        ):
            client = CallbackClient(AZURE, 5, resolve=Resolver(answer))
            with pytest.raises(InvalidInputError) as caught:
                await client.admit(AZURE_URL)
            assert set(caught.value.fields) == {"callbackUrl"}
            assert await client.post(AZURE_URL, BODY, HEADERS) == NOT_PERMITTED, answer
            await client.close()
    assert connects == []


@pytest.mark.parametrize("kind", ANSWERS, ids=str)
async def test_no_name_that_comes_to_lead_there_is_called(kind: Kind, connects: Connects) -> None:
    for address in kind.each:
        client = CallbackClient(AZURE, 5, resolve=Resolver([PUBLIC], [PUBLIC], [address]))
        assert await client.admit(AZURE_URL)
        # The name that leads elsewhere once it was checked is connected to where it led then.
        answer = await client.post(AZURE_URL, BODY, HEADERS)
        assert answer == Answer(failure="connection failed: ConnectionRefusedError")
        assert connects == [(PUBLIC, 443)]
        assert await client.post(AZURE_URL, BODY, HEADERS) == NOT_PERMITTED
        assert connects == [(PUBLIC, 443)]
        connects.clear()
        await client.close()


async def test_without_the_rule_for_addresses_each_would_be_connected_to(connects: Connects) -> None:
    """The control: whatever is an address can be connected to, and is seen."""
    wanted = []
    for address in [address for kind in ANSWERS for address in kind.each]:
        with contextlib.suppress(ValueError):
            wanted.append(ip_address(address))
            client = CallbackClient(AnyAddress(DEPLOYED), 1, resolve=Resolver([address]))
            await client.post(AZURE_URL, BODY, HEADERS)
            await client.close()
    assert len(wanted) > 120
    assert {ip_address(address) for address, _ in connects} >= {one for one in wanted if "%" not in str(one)}


# Redirects

SOON = aiohttp.ClientTimeout(total=1)
REDIRECTS = (300, 301, 302, 303, 307, 308)


async def test_no_redirect_is_followed(connects: Connects, listening: Listening) -> None:
    resolve = Resolver(["127.0.0.1"])
    client = CallbackClient(LOCAL, 0.2, resolve=resolve)
    asked = 0
    async with flow() as receiver:
        for number, url in enumerate(url for kind in URLS for url in each_of(kind, listening)):
            receiver.reply = redirect(REDIRECTS[number % len(REDIRECTS)], url)
            answer = await client.post(receiver.url(), BODY, HEADERS)
            assert answer.status in REDIRECTS, url
            asked += 1
        assert len(receiver.requests) == resolve.asked == asked
        assert {port for _, port in connects} == {receiver.port}
    assert await listening.arrived() == 0
    await client.close()


async def test_who_follows_redirects_arrives(listening: Listening) -> None:
    """The control: an HTTP client as they come goes where the answer says."""
    inside = f"http://127.0.0.1:{listening.port}/"
    async with flow(redirect(307, inside)) as receiver, aiohttp.ClientSession(timeout=SOON) as session:
        with contextlib.suppress(aiohttp.ClientError):
            await session.post(receiver.url().replace("flow.test", "127.0.0.1"), data=BODY)
    assert await listening.arrived() > 0


def redirect(status: int, location: str) -> bytes:
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return head.encode("utf-8", "replace")
