"""Absolute addresses: where a caller finds the bridge again."""

from urllib.parse import urlsplit

import azure.functions as func

PREFIX = "/api"  # host.json's routePrefix


def absolute(req: func.HttpRequest, path: str) -> str:
    """The address of a path of the API, such as `/subscriptions`, for whoever made this request."""
    here = urlsplit(req.url)
    return f"{here.scheme}://{here.netloc}{PREFIX}{path}"
