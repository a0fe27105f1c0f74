"""The one key that opens functions of level `function` and `admin`, and the host's own admin routes.

Azure has a key per purpose; one is enough on a developer's machine. The key is never logged.
"""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web


def function_key(settings: Mapping[str, str], key_file: Path) -> str:
    """Return the key: the setting FUNCTIONS_KEY, else the one in the file, which is made at the first start."""
    if key := settings.get("FUNCTIONS_KEY"):
        return key
    if not key_file.exists():
        key_file.parent.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_urlsafe(32), "utf-8")
    return key_file.read_text("utf-8").strip()


def opens(request: web.Request, key: str) -> bool:
    """Tell whether the request carries the key, in `x-functions-key` or `code`."""
    offered = request.headers.get("x-functions-key") or request.query.get("code") or ""
    # Bytes that are no UTF-8 come as halves of surrogate pairs.
    return hmac.compare_digest(offered.encode(errors="surrogatepass"), key.encode())
