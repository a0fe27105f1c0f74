"""Absolute addresses: the caller finds the bridge again, and nobody else decides where."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from tests.triggers.api import Api
from tests.usecases.world import World
from triggers.addresses import GATEWAY_HEADER, PREFIX, base_of

HERE = "http://func-x.azurewebsites.net/api/triggers/t/subscriptions?code=s3cret"
PUBLIC = "https://events.contoso.com/bridge"
GATEWAY = "https://europe-001.azure-apim.net/apim/x/y"


@pytest.mark.parametrize(
    ("url", "headers", "in_azure", "base"),
    [
        (HERE, {}, True, "https://func-x.azurewebsites.net"),
        (HERE.replace("http:", "https:"), {}, True, "https://func-x.azurewebsites.net"),
        ("http://func-x.azurewebsites.net:80/api/x", {}, True, "https://func-x.azurewebsites.net"),
        (HERE, {"X-Forwarded-Proto": "http"}, True, "https://func-x.azurewebsites.net"),
        (HERE, {"X-Forwarded-Proto": "https"}, False, "https://func-x.azurewebsites.net"),
        (HERE, {"X-Forwarded-Proto": " HTTPS , http"}, False, "https://func-x.azurewebsites.net"),
        (HERE, {"X-Forwarded-Proto": "http, https"}, False, "http://func-x.azurewebsites.net"),
        ("http://127.0.0.1:7071/api/x", {}, False, "http://127.0.0.1:7071"),
        ("http://127.0.0.1:7071/api/x", {"X-Forwarded-Proto": "gopher"}, False, "http://127.0.0.1:7071"),
        ("https://bridge.example:8443/api/x", {}, True, "https://bridge.example:8443"),
    ],
)
def test_without_a_public_address_the_request_s_own_is_given(
    url: str, headers: dict[str, str], base: str, *, in_azure: bool
) -> None:
    assert base_of(url, headers, public_url=None, in_azure=in_azure) == base


@pytest.mark.parametrize("in_azure", [True, False])
def test_the_public_address_is_given_where_there_is_one(*, in_azure: bool) -> None:
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    for public in (PUBLIC, f"{PUBLIC}/"):
        assert base_of(HERE, headers, public_url=public, in_azure=in_azure) == PUBLIC


@pytest.mark.parametrize("public_url", [None, PUBLIC])
def test_the_gateway_of_connectors_comes_first(public_url: str | None) -> None:
    for prefix in (GATEWAY, f"{GATEWAY}/", f"{GATEWAY}?x=1"):
        assert base_of(HERE, {GATEWAY_HEADER: prefix}, public_url=public_url, in_azure=True) == GATEWAY


HEADERS = [
    GATEWAY_HEADER,
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Original-Host",
    "X-Original-URL",
]


@given(
    st.dictionaries(
        st.sampled_from(HEADERS),
        st.sampled_from(
            ["evil.example", "https://evil.example", "https://x.azure-apim.net.evil.example", "host=evil.example"]
        )
        | st.text(),
    ),
    st.sampled_from([None, PUBLIC]),
    st.booleans(),
)
def test_no_header_but_host_chooses_the_host(headers: dict[str, str], public_url: str | None, in_azure: bool) -> None:  # noqa: FBT001 - drawn
    base = urlsplit(base_of(HERE, headers, public_url=public_url, in_azure=in_azure))
    assert base.netloc == urlsplit(public_url or HERE).netloc
    assert base.scheme == "https" or not (in_azure or public_url)
    assert (base.query, base.fragment, base.username) == ("", "", None)


@pytest.mark.parametrize("in_azure", [True, False])
def test_host_is_believed_only_where_no_public_address_is_set(*, in_azure: bool) -> None:
    for public, base in ((None, "https://evil.test"), (PUBLIC, PUBLIC)):
        assert base_of("https://evil.test/api/x", {}, public_url=public, in_azure=in_azure) == base


@pytest.mark.parametrize(
    "host", ["[::1", "::1]", "a b", "a\\b", "user@a", "a:b", "a:", "", "a\r\nX-Injected: yes", "a\n", "\u00fc", "a,b"]
)
@pytest.mark.parametrize("in_azure", [True, False])
def test_what_is_no_host_is_given_to_nobody(host: str, *, in_azure: bool) -> None:
    with pytest.raises(InvalidInputError) as caught:
        base_of(f"http://{host}", {}, public_url=None, in_azure=in_azure)
    assert set(caught.value.fields) == {"Host"}


async def test_who_cannot_be_told_where_to_unsubscribe_has_not_subscribed() -> None:
    world = World()
    asked = {"callbackUrl": "https://prod-1.logic.azure.com/x", "instanceId": "i1"}
    address = "/triggers/data-source-refresh-failed/subscriptions"
    assert (await Api(world).post(f"http://a b/api{address}", asked)).wrong == {"Host"}
    assert set(world.subscriptions.rows) == {"s1"}
    assert (await Api(world).post(address, asked)).status == 201


def test_the_prefix_is_the_host_s() -> None:
    host = json.loads((Path(__file__).parents[2] / "host.json").read_text("utf-8"))
    assert f"/{host['extensions']['http']['routePrefix']}" == PREFIX
