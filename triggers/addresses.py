"""Absolute addresses: where a caller finds the bridge again, whatever lies between the two.

A host that a request names in a header is believed only where it is the connectors' gateway: what is sent to an
address that somebody else chose would be theirs. `Host` is part of the request's own address, which is given where no
public one is set; Azure's front end goes by it, and so hands on only what is for a name of the app.
"""

import re
from collections.abc import Mapping

import azure.functions as func

from shared.composition import bridge
from shared.domain.callbacks import CallbackPolicy
from shared.errors import InvalidInputError

PREFIX = "/api"  # host.json's routePrefix
# The gateway of custom connectors says in this header under which address it forwarded a call; only calls that go
# through it carry the connection's key. Anybody can send the header, so its host must be one of the gateway's.
GATEWAY_HEADER = "X-MS-APIM-Referrer-Prefix"
GATEWAYS = CallbackPolicy(("*.azure-apihub.net", "*.azure-apim.net"))
# What a proxy that ends TLS says of the request it got. With it the caller can turn http into https, and nothing else.
SCHEME_HEADER = "X-Forwarded-Proto"
_HERE = re.compile(r"https?://(?P<host>(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?=[/?]|\Z)")


def absolute(req: func.HttpRequest, path: str) -> str:
    """The address of a path of the API, such as `/subscriptions`, for whoever made this request."""
    wired = bridge()
    base = base_of(req.url, req.headers, public_url=wired.public_url, in_azure=wired.in_azure)
    return f"{base}{PREFIX}{path}"


def base_of(url: str, headers: Mapping[str, str], *, public_url: str | None, in_azure: bool) -> str:
    """What comes before the API's prefix: the gateway's address, the public one, or the request's own.

    Azure's front end ends TLS and takes nothing but https, whatever scheme the worker sees. Raises `InvalidInputError`
    where the request's `Host` is none.
    """
    gateway = headers.get(GATEWAY_HEADER, "")
    try:
        GATEWAYS.check_url(gateway)
    except InvalidInputError:
        pass
    else:
        return gateway.partition("?")[0].rstrip("/")
    if public_url is not None:
        return public_url.rstrip("/")
    here = _HERE.match(url)
    if here is None:
        raise InvalidInputError({"Host": "is no host"})
    # Of several proxies, the first names what the caller used.
    forwarded = headers.get(SCHEME_HEADER, "").partition(",")[0].strip().lower()
    if in_azure or forwarded == "https":
        return f"https://{here['host'].removesuffix(':80')}"
    return here[0]
