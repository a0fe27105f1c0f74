"""Which addresses are connected to, and what may be subscribed."""

import asyncio
import ipaddress
import socket

import pytest

from shared.adapters import callbacks
from shared.adapters.callbacks import CallbackClient
from shared.domain.callbacks import Answer, CallbackPolicy
from shared.errors import InvalidInputError
from tests.adapters.scripted_flow import (
    AZURE,
    AZURE_URL,
    BODY,
    HEADERS,
    LOCAL,
    PUBLIC,
    PUBLIC6,
    SECRET,
    Resolver,
    calling,
    flow,
)
from tests.outgoing import connects

__all__ = ["connects"]  # a fixture of that module, used here too

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
    async def resolve(host: str) -> list[str]:
        await asyncio.sleep(0)
        return [f"52.174.1.{host.partition('.')[0]}"]

    client = CallbackClient(AZURE, 5, resolve=resolve)
    await asyncio.gather(*(client.post(f"https://{n}.logic.azure.com/", BODY, HEADERS) for n in range(1, 20)))
    await client.close()
    assert sorted(connects) == sorted((f"52.174.1.{n}", 443) for n in range(1, 20))


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
