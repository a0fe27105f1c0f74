"""What the storage adapters share: the account, names safe for table keys, and Azure's errors as the bridge's own."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.etree.ElementTree import ParseError

from azure.core.exceptions import (
    ClientAuthenticationError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import ConfigurationError, PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

# The newest version of the storage API that the emulator and every Azure region know.
API_VERSION = "2025-11-05"

MISSING = {"TableNotFound", "QueueNotFound", "ContainerNotFound"}
# The blob and queue SDKs would wait 15 seconds or more before the first retry, long enough to be late for a flow: a
# connection that the other side has closed is worth another try at once.
RETRIES: Mapping[str, Any] = {"initial_backoff": 0, "increment_base": 1, "random_jitter_range": 1, "retry_total": 3}
EXISTING = {"TableAlreadyExists", "QueueAlreadyExists", "ContainerAlreadyExists"}
CONNECTING: Mapping[str, Any] = {
    # Seconds. The SDKs would wait for an answer for one minute, that of tables for five, and then ask again. What hangs
    # must be given up while the claim of a delivery holds, or what the flow has taken is sent once more.
    "connection_timeout": 5,
    "read_timeout": 10,
    # Looking for proxies in the environment at each request would cost as much as all else that the SDKs do for it.
    "use_env_settings": False,
}
# The longest that an operation may take with all its attempts, however slowly its answer comes.
PATIENCE = 60
# A table's key holds 1 KiB of UTF-16.
MAX_KEY = 512
# What no text is encoded as: behind an exclamation mark stand two digits.
_HASHED = "!!"


@dataclass(frozen=True, slots=True)
class Account:
    """The storage account: a connection string, or an identity and where each service answers."""

    connection_string: str | None = field(default=None, repr=False)
    blob_url: str = ""
    queue_url: str = ""
    table_url: str = ""
    credential: "AsyncTokenCredential | None" = None


@asynccontextmanager
async def named_errors(what: str) -> AsyncIterator[None]:
    """Raise Azure's errors by what to do next, and end what takes too long; a lost race is the caller's to name."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError as error:
        raise TransientError(f"{what} does not answer in time") from error
    except ClientAuthenticationError as error:
        raise ConfigurationError(_refused(what)) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise TransientError(f"{what} cannot be reached") from error
    except HttpResponseError as error:
        status = error.status_code
        if status in {401, 403}:
            raise ConfigurationError(_refused(what)) from error
        if status is None or status < 300:  # noqa: PLR2004 - a success whose content has been cut or replaced on its way
            raise _unreadable(what) from None
        if status in {408, 429} or status >= 500:  # noqa: PLR2004 - HTTP's class of server errors
            raise TransientError(f"{what} answers {status}") from error
        raise PermanentError(f"{what} answers {status} {getattr(error, 'error_code', '')}") from error
    except (DeserializationError, ParseError):
        raise _unreadable(what) from None


def _unreadable(what: str) -> TransientError:
    # The SDKs' own errors are not told with it: they quote the answer.
    return TransientError(f"{what} gives an answer that cannot be read")


def _refused(what: str) -> str:
    return f"{what} refuses the bridge: check AzureWebJobsStorage and the identity's roles on the storage account"


async def creating[T](call: Callable[[], Awaitable[T]], create: Callable[[], Awaitable[object]]) -> T:
    """Make a call; where its table, queue or container is missing, create that and make the call again."""
    try:
        return await call()
    except HttpResponseError as error:
        if not has_code(error, MISSING):
            raise
    try:
        await create()
    except HttpResponseError as error:
        if not has_code(error, EXISTING):  # somebody else was quicker
            raise
    return await call()


def has_code(error: HttpResponseError, codes: set[str]) -> bool:
    """Whether an error has one of these codes; the table SDK leaves some in the message."""
    return getattr(error, "error_code", None) in codes or any(code in str(error) for code in codes)


def is_plain(key: str) -> bool:
    """Whether a text is made like the ids that the bridge gives: a row may have it as its key."""
    return re.fullmatch(r"[A-Za-z0-9._-]{1,128}", key) is not None


def key_of(*parts: str) -> str:
    """Any texts as one table key, which may not hold slashes, `#`, `?` or control characters.

    A key that a table would refuse for its length has the hashes of its long parts instead.
    """
    encoded = [quote(part, safe=" ").replace("%", "!") for part in parts]
    key = "|".join(encoded)
    return key if len(key) <= MAX_KEY else "|".join(map(_shortened, encoded))


def parts_of(key: str) -> list[str]:
    """The texts that `key_of` has joined, as far as it has not hashed them."""
    return [part if part.startswith(_HASHED) else unquote(part.replace("!", "%")) for part in key.split("|")]


def _shortened(part: str) -> str:
    digest = f"{_HASHED}{hashlib.sha256(part.encode()).hexdigest()}"
    return part if len(part) <= len(digest) else digest
