"""Connections to Customer Insights and its files: what requests and the library below it would do, and must not.

They would keep cookies, read the environment, follow redirects or at least look where these lead, take an interim
answer for the answer, and let exceptions through that are none of their own.
"""

import io
import logging
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, override

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

# As many calls as are made at once, for polls and for callers; one more would open a connection and close it again.
_POOL_SIZE: Final = 104
_PIECE_BYTES: Final = 64 * 1024
# Interim answers to one request: one or two are usual, and somebody who never comes to the answer must not hold us.
_MOST_INTERIM: Final = 16


def new_session() -> requests.Session:
    """Make a session that many threads may share: it keeps connections, but no cookies, and reads no environment."""
    # At its usual level it logs the address of an answer whose header section it does not understand.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    session = _Session()
    session.trust_env = False  # a .netrc on the machine would replace the bearer token
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = _Adapter(pool_maxsize=_POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def pieces(response: requests.Response) -> Iterator[bytes]:
    """The body of an answer, each piece as soon as it is there. Raises the exceptions of requests, and no others.

    What requests has for this waits until a piece is full: who looks at the clock after each would look in vain.
    """
    try:
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            yield piece
    except ReadTimeoutError:
        failure: requests.RequestException = requests.ReadTimeout()
    except DecodeError:
        failure = requests.exceptions.ContentDecodingError()
    except (HTTPError, HTTPException, OSError, ValueError):
        # Among them: the size of a chunk is taken for a number where it is below zero, too.
        failure = requests.exceptions.ChunkedEncodingError()
    else:
        return
    # Out here: what is raised while an exception is handled carries it along, and it may quote the address.
    raise failure


class _Session(requests.Session):
    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """No redirect leads anywhere.

        Asked not to follow one, requests reads its body all the same, for as long as that takes, and its address, for
        which it has no exception of its own when it is none.
        """


class _Incoming(io.RawIOBase):
    """The bytes of a socket; its time limit is one for the whole head of the answer, and then one for each read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock
        self._limit = sock.gettimeout()
        self._until = None if self._limit is None else time.monotonic() + self._limit

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def end_head(self) -> None:
        self._until = None
        self._sock.settimeout(self._limit)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._incoming = _Incoming(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._incoming)

    @override
    def begin(self) -> None:
        """Read up to the final status and its headers; Python itself passes over 100 alone (RFC 9110, 15.2)."""
        super().begin()
        for _ in range(_MOST_INTERIM):
            if self.status >= HTTPStatus.OK:
                self._incoming.end_head()
                return
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for another protocol
                break
            self.headers = self.msg = None  # type: ignore[assignment]  # as in an answer that has not begun
            super().begin()
        raise HTTPException("no answer but interim ones")


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    @override
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
