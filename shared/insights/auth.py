"""The bearer tokens for the Customer Insights API: a fixed one, or Microsoft Entra's.

Importing this costs nothing: azure-identity is loaded with the first token. Tokens and secrets appear in no `repr`, no
message and no log line of this module.
"""

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from shared.errors import AccessError, BridgeError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError

_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500

# Entra's error codes (AADSTS7000215: wrong secret) are documented by Microsoft and hold nothing private; the texts
# around them may.
_ENTRA_CODE: Final = re.compile(r"AADSTS\d+")


class TokenSource(Protocol):
    """Where the bearer token comes from. May be called by several threads at once."""

    def token(self) -> str:
        """Return a token to send now. Raises `AccessError` or `TransientError`."""
        ...

    def renew(self, rejected: str) -> bool:
        """Make sure that the next token is not the one the API rejected; False where there is no other."""
        ...


class FixedToken:
    """One token that never changes; for the local stack and tests."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        """Return the token."""
        return self._token

    def renew(self, rejected: str) -> bool:  # noqa: ARG002 - the protocol's
        """There is no other token."""
        return False


class EntraTokens:
    """Tokens from Microsoft Entra for one scope; azure-identity caches them and refreshes them before they expire.

    `make_credential` is called at the first token, and again when the API rejects a token that should still be good.
    """

    def __init__(self, scope: str, make_credential: Callable[[], "TokenCredential"]) -> None:
        self._scope = scope
        self._make_credential = make_credential
        self._credential: TokenCredential | None = None
        self._latest: str | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return a token that is valid now. Raises `AccessError` or `TransientError`."""
        # Loading azure-identity takes longer than all other imports together; a cold start must not wait for it.
        from azure.core.exceptions import AzureError  # noqa: PLC0415

        try:
            token = self._current_credential().get_token(self._scope).token
        except AzureError as error:
            raise _failure(error) from None  # the error holds the request, and the request the secret
        except ValueError:
            raise AccessError(_REFUSED.format(code="malformed tenant or client id")) from None
        self._latest = token
        return token

    def renew(self, rejected: str) -> bool:
        """Forget the credential with its cache, unless another thread has got a newer token meanwhile."""
        with self._lock:
            if self._latest == rejected:
                self._credential = self._latest = None
        return True

    def _current_credential(self) -> "TokenCredential":
        with self._lock:
            if self._credential is None:
                self._credential = self._make_credential()
            return self._credential


def app_registration(scope: str, *, tenant_id: str, client_id: str, client_secret: str) -> EntraTokens:
    """Tokens for an app registration."""

    def make() -> "TokenCredential":
        from azure.identity import ClientSecretCredential  # noqa: PLC0415 - see `EntraTokens.token`

        # The SDK's own limits (five minutes to connect) are longer than a poll.
        limits = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 1}
        return ClientSecretCredential(tenant_id, client_id, client_secret, **limits)

    return EntraTokens(scope, make)


def default_identity(scope: str, *, managed_identity_client_id: str | None = None) -> EntraTokens:
    """Tokens for the managed identity in Azure (a user-assigned one by its client id), or the developer's login."""

    def make() -> "TokenCredential":
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - see `EntraTokens.token`

        if managed_identity_client_id is None:
            return DefaultAzureCredential()
        return DefaultAzureCredential(managed_identity_client_id=managed_identity_client_id)

    return EntraTokens(scope, make)


_REFUSED: Final = (
    "Microsoft Entra gives the bridge no token for Customer Insights ({code}). Check CUSTOMER_INSIGHTS_TENANT_ID, "
    "CUSTOMER_INSIGHTS_CLIENT_ID and CUSTOMER_INSIGHTS_CLIENT_SECRET; without them, the app's managed identity."
)


def _failure(error: "AzureError") -> BridgeError:
    """Tell an unreachable Entra, which heals, from one that refuses, which does not."""
    if _is_unreachable(error) or _is_unreachable(error.__cause__):
        return TransientError("Microsoft Entra cannot be reached for a token; the next attempt may succeed.")
    code = _ENTRA_CODE.search(str(error))
    return AccessError(_REFUSED.format(code=code.group() if code else type(error).__name__))


def _is_unreachable(error: BaseException | None) -> bool:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError  # noqa: PLC0415

    if isinstance(error, HttpResponseError):
        status = error.status_code or 0
        return status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR
    return isinstance(error, ServiceRequestError | ServiceResponseError)
