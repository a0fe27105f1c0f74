"""The CSV files that partitions consist of: fetched from storage, row by row.

Addresses hold a signature, so no error shows more of one than its host. Neither the bridge's key nor its token goes
there, no redirect is followed, and only Azure Storage and the API's own host are called.
"""

import codecs
import csv
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests

from shared.domain.callbacks import CallbackPolicy
from shared.errors import AccessError, InvalidInputError, PermanentError, TimedOutError, TransientError

# Where Customer Insights keeps its files: an assumption.
_STORAGE: Final = CallbackPolicy(("*.blob.core.windows.net", "*.dfs.core.windows.net"))
_TIMEOUT: Final = (5, 30)
# Seconds for a file as a whole: a timeout only limits the pauses between its pieces.
_LONGEST: Final = 100.0
_LONGEST_LINE: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
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

    def rows(self, file: FileRequest) -> Iterator[list[str]]:
        """The rows of a CSV file.

        Raises `TransientError`, `AccessError` (the storage refuses us) or `PermanentError` (a host that is not
        allowed, a file that is gone or no CSV).
        """
        host = self._check(file.uri)
        headers = {name: value for name, value in file.headers.items() if name.lower() not in _NOT_OURS_TO_SET}
        until = self._monotonic() + _LONGEST
        try:
            with self._session.get(
                file.uri, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as response:
                _check_status(host, response.status_code)
                yield from csv.reader(_lines(self._chunks(response, until)))
        except requests.Timeout:
            raise TimedOutError(f"The file store {host} did not answer in time.") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader):
            raise PermanentError(
                f"Customer Insights gives a request for a file at {host} that cannot be made."
            ) from None
        except (requests.RequestException, UnicodeError) as error:
            reason = type(error).__name__
            raise TransientError(f"A file could not be fetched from {host} ({reason}).") from None
        except csv.Error:
            raise PermanentError(f"A file from {host} is no CSV that can be read.") from None

    def _chunks(self, response: requests.Response, until: float) -> Iterator[bytes]:
        for chunk in response.iter_content(_CHUNK_BYTES):
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


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """The lines of a text with their ends. Only line feeds part them: a field may hold any other separator."""
    decode, rest = codecs.getincrementaldecoder("utf-8-sig")("replace").decode, ""
    for chunk in chunks:
        *lines, rest = (rest + decode(chunk)).split("\n")
        yield from (line + "\n" for line in lines)
        if len(rest) > _LONGEST_LINE:
            raise csv.Error("a line without end")
    rest += decode(b"", final=True)
    if rest:
        yield rest
