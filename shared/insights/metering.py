"""Counts and times the requests to the Customer Insights API, by how each ended."""

import time
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import BaseAdapter

from shared.telemetry import API_DURATION, Telemetry

_OUTCOMES = {
    HTTPStatus.UNAUTHORIZED: "refused",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.NOT_FOUND: "notFound",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
}


def meter(session: requests.Session, telemetry: Telemetry) -> requests.Session:
    """Have a session measure what it sends; gives the session."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Metered(session.get_adapter(scheme), telemetry))
    return session


class _Metered(BaseAdapter):
    """Sends through another adapter, and measures."""

    def __init__(self, inner: BaseAdapter, telemetry: Telemetry) -> None:
        super().__init__()
        self._inner = inner
        self._telemetry = telemetry

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - passed on
        """Send one request."""
        began = time.monotonic()
        outcome = "unreachable"
        try:
            response = self._inner.send(request, *args, **options)
            outcome = _outcome(response.status_code)
        except requests.Timeout:
            outcome = "timeout"
            raise
        finally:
            self._telemetry.measure(API_DURATION, time.monotonic() - began, outcome=outcome)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _outcome(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "succeeded"
    return _OUTCOMES.get(HTTPStatus(status), "failed") if status in list(HTTPStatus) else "failed"
