"""Signatures of deliveries, by which a receiver knows that the bridge made them.

They are those of Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

SECRET_BYTES = 32
# After a rotation the secret before it signs, too, for so long.
OVERLAP = timedelta(hours=24)

_PREFIX = "whsec_"


def written(key: bytes) -> str:
    """A key as the text that receivers are given."""
    return f"{_PREFIX}{base64.b64encode(key).decode()}"


def context(subscription_id: str) -> str:
    """What the sealed secrets of a subscription are bound to, which its callback is not."""
    return f"{subscription_id}/secret"


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: a signature by each secret. `timestamp` is in seconds since 1970."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(_mac(secret, content)).decode()}" for secret in secrets)


def _mac(secret: str, content: bytes) -> bytes:
    return hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), content, hashlib.sha256)
