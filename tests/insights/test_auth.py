import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential
from responses import RequestsMock

from shared.errors import AccessError, BridgeError, TransientError
from shared.insights.auth import EntraTokens, FixedToken, app_registration, default_identity

SCOPE = "https://api.ci.ai.microsoft.com/.default"
SECRET = "hush-7c1"
TENANT = "11111111-2222-3333-4444-555555555555"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"


class FakeCredential:
    """Gives one token, or raises."""

    def __init__(self, outcome: str | Exception) -> None:
        self.outcome = outcome

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own signature
        assert scopes == (SCOPE,)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return AccessToken(self.outcome, 0)


def entra(*outcomes: str | Exception) -> EntraTokens:
    left = list(outcomes)
    return EntraTokens(SCOPE, lambda: FakeCredential(left.pop(0)))


def caused(cause: Exception) -> ClientAuthenticationError:
    error = ClientAuthenticationError("Authentication failed")
    error.__cause__ = cause
    return error


def answered(status: int) -> HttpResponseError:
    error = ClientAuthenticationError(f"AADSTS90033 {SECRET}")
    error.status_code = status
    return error


def test_a_fixed_token_cannot_be_renewed_nor_seen() -> None:
    tokens = FixedToken(SECRET)
    assert tokens.token() == SECRET
    assert not tokens.renew(SECRET)
    assert SECRET not in repr(tokens)


def test_one_credential_serves_until_its_token_is_rejected() -> None:
    tokens = entra("old", "new")
    assert [tokens.token(), tokens.token()] == ["old", "old"]
    assert tokens.renew("old")
    assert tokens.token() == "new"


def test_a_token_that_another_thread_renewed_already_is_not_renewed_again() -> None:
    tokens = entra("old", "new")
    tokens.token()
    tokens.renew("old")
    tokens.token()
    assert tokens.renew("old")
    assert tokens.token() == "new"


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (ClientAuthenticationError(f"AADSTS7000215: Invalid client secret {SECRET}"), AccessError, "AADSTS7000215"),
        (CredentialUnavailableError(f"no identity {SECRET}"), AccessError, "CredentialUnavailableError"),
        (ValueError(f"bad tenant {SECRET}"), AccessError, "malformed"),
        (answered(401), AccessError, "CUSTOMER_INSIGHTS_CLIENT_SECRET"),
        (answered(429), TransientError, "reached"),
        (answered(503), TransientError, "reached"),
        (ServiceRequestError(f"no route {SECRET}"), TransientError, "reached"),
        (caused(ServiceRequestError(f"no route {SECRET}")), TransientError, "reached"),
    ],
)
def test_what_each_failure_means(raised: Exception, error: type[BridgeError], words: str) -> None:
    with pytest.raises(BridgeError, match=words) as caught:
        entra(raised).token()
    assert type(caught.value) is error
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def microsoft() -> Iterator[RequestsMock]:
    """Microsoft Entra's published endpoints, as azure-identity asks them."""
    with RequestsMock(assert_all_requests_are_fired=False) as api:
        api.get(
            f"{AUTHORITY}/v2.0/.well-known/openid-configuration",
            json={
                "issuer": f"{AUTHORITY}/v2.0",
                "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
                "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
            },
        )
        api.get("https://login.microsoftonline.com/common/discovery/instance", json={"metadata": []})
        yield api


def registration() -> EntraTokens:
    return app_registration(SCOPE, tenant_id=TENANT, client_id="app", client_secret=SECRET)


def token_endpoint(api: RequestsMock, body: dict[str, object], status: int = 200) -> None:
    api.post(f"{AUTHORITY}/oauth2/v2.0/token", json=body, status=status)


def test_an_app_registration_asks_entra_once_per_token_and_again_after_a_rejection(microsoft: RequestsMock) -> None:
    token_endpoint(microsoft, {"token_type": "Bearer", "expires_in": 3600, "access_token": "first"})
    token_endpoint(microsoft, {"token_type": "Bearer", "expires_in": 3600, "access_token": "second"})
    tokens = registration()
    assert [tokens.token(), tokens.token()] == ["first", "first"]
    assert tokens.renew("first")
    assert tokens.token() == "second"


def test_a_wrong_secret_names_entras_code_and_not_the_secret(microsoft: RequestsMock) -> None:
    token_endpoint(
        microsoft, {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid {SECRET}"}, status=401
    )
    with pytest.raises(AccessError, match="AADSTS7000215") as caught:
        registration().token()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_entra_that_cannot_be_reached_may_come_back() -> None:
    with RequestsMock() as api:
        api.get(f"{AUTHORITY}/v2.0/.well-known/openid-configuration", body=requests.ConnectionError("down"))
        with pytest.raises(TransientError):
            registration().token()


def test_a_malformed_tenant_is_a_matter_of_configuration() -> None:
    tokens = app_registration(SCOPE, tenant_id="not a tenant!", client_id="app", client_secret=SECRET)
    with pytest.raises(AccessError, match="CUSTOMER_INSIGHTS_TENANT_ID"):
        tokens.token()


@pytest.mark.parametrize("client_id", [None, "22222222-3333-4444-5555-666666666666"])
def test_without_an_app_registration_azure_identity_picks_one(client_id: str | None) -> None:
    tokens = default_identity(SCOPE, managed_identity_client_id=client_id)
    assert isinstance(tokens._make_credential(), DefaultAzureCredential)
