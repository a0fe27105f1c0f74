"""What Customer Insights itself says went wrong: the message in the body of an error, whatever shape that has."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

_LONGEST_MESSAGE: Final = 1000
_SIGNATURE: Final = re.compile(r"(\bsig=)[^&\s\"']+", re.IGNORECASE)


def own_words(body: bytes, *secrets: str) -> tuple[str, str]:
    """Return the message in the body of an error, short and on one line, and what the API says it is about.

    Our secrets are blotted out, should it quote them.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    found = _lower(document)
    # Customer Insights' `ODataError` and `ApiErrorResult` have it at the top, OData's envelope one level deeper, and
    # both may leave it to their details; `ParsingError` has a list of messages, and a gateway speaks RFC 9457.
    for one in (found, found.get("error"), *_several(found.get("details")), *_several(found.get("messages"))):
        told = _lower(one)
        texts = (told.get(key) for key in ("message", "detail", "title"))
        words = next((text for text in texts if isinstance(text, str) and text), "")
        if words:
            target = told.get("target") or found.get("target")
            return _line(words, secrets), _line(target if isinstance(target, str) else "", secrets)
    return "", ""


def _lower(document: object) -> Mapping[str, object]:
    """An object with its keys in lower case; anything else is an empty one."""
    return {name.lower(): value for name, value in document.items()} if isinstance(document, dict) else {}


def _several(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _line(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _SIGNATURE.sub(r"\1***", " ".join(text.split()))[:_LONGEST_MESSAGE]
