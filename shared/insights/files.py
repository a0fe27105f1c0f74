"""The files that partitions consist of: fetched from storage, row by row.

Addresses hold a signature, so no error shows more of one than its host. Neither the bridge's key nor its token goes
there, no redirect is followed, and only Azure Storage and the API's own host are called.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests

from shared.domain.callbacks import CallbackPolicy
from shared.errors import (
    AccessError,
    BridgeError,
    InvalidInputError,
    PermanentError,
    TimedOutError,
    TransientError,
)
from shared.insights import delimited
from shared.insights.delimited import TextFormat, UnreadableFileError
from shared.insights.sessions import pieces

# Where Customer Insights keeps its files: an assumption.
_STORAGE: Final = CallbackPolicy(("*.blob.core.windows.net", "*.dfs.core.windows.net"))
_TIMEOUT: Final = (5, 30)
# Seconds for a file as a whole: a timeout only limits the pauses between its pieces.
_LONGEST: Final = 100.0
_GZIP: Final = ("gzip", "x-gzip")
_NOT_OURS_TO_SET: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})


@dataclass(frozen=True, slots=True)
class FileRequest:
    """How to fetch a file: its address, which is secret, and headers, which may be."""

    uri: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class FileClient:
    """Fetches files; `api` is the address of the Customer Insights API, whose host is allowed, too."""

    def __init__(self, session: requests.Session, api: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._api = urlsplit(api)
        self._monotonic = monotonic

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def rows(self, file: FileRequest, how: TextFormat) -> Iterator[list[str]]:
        """The rows of a file of delimited text.

        Raises `TransientError`, `AccessError` (the storage refuses us) or `PermanentError` (a host that is not
        allowed, a file that is gone or is something else).
        """
        host = self._check(file.uri)
        try:
            yield from self._rows(file, how, host)
        except requests.Timeout:
            failure: BridgeError = TimedOutError(f"The file store {host} did not answer in time.")
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader):
            failure = PermanentError(f"Customer Insights gives a request for a file at {host} that cannot be made.")
        except UnreadableFileError as error:
            failure = PermanentError(f"A file from {host} is {error}.")
        # OSError is the root of the exceptions of requests, too; the others are those of a broken compression.
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            failure = TransientError(f"A file could not be fetched from {host} ({type(error).__name__}).")
        else:
            return
        # Out here: what is raised while an exception is handled carries it along, and requests' own quote the address.
        raise failure

    def _rows(self, file: FileRequest, how: TextFormat, host: str) -> Iterator[list[str]]:
        headers = {name: value for name, value in file.headers.items() if name.lower() not in _NOT_OURS_TO_SET}
        until = self._monotonic() + _LONGEST
        with self._session.get(
            file.uri, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
        ) as response:
            _check_status(host, response.status_code)
            # Taken away, because requests would unpack what is cut off without a word.
            packing = response.raw.headers.pop("Content-Encoding", "identity").lower()
            if packing not in {"identity", "", *_GZIP}:
                raise UnreadableFileError(f"compressed with {packing!r}, which the bridge cannot read")
            yield from delimited.rows(self._chunks(response, until), how, is_gzip=packing in _GZIP)

    def _chunks(self, response: requests.Response, until: float) -> Iterator[bytes]:
        for chunk in pieces(response):
            if self._monotonic() > until:
                raise requests.Timeout
            yield chunk

    def _check(self, uri: str) -> str:
        """Return the host. Raises `PermanentError` when it is not allowed."""
        try:
            parts = urlsplit(uri)
            # The whole of it, so that neither another port nor user information slips in.
            if (parts.scheme, parts.netloc.lower()) == (self._api.scheme, self._api.netloc.lower()):
                return parts.hostname or ""
            return _STORAGE.check_url(uri)
        except (ValueError, InvalidInputError):
            raise PermanentError(
                "Customer Insights names a file outside Azure Storage; the bridge does not fetch it."
            ) from None


def _check_status(host: str, status: int) -> None:
    if status == HTTPStatus.OK:
        return
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise AccessError(f"The file store {host} refuses the access that Customer Insights gave ({status}).")
    if (
        status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        raise TransientError(f"The file store {host} answered {status}; the next attempt may succeed.")
    raise PermanentError(f"The file store {host} answered {status}.")
