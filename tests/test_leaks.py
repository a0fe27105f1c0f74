"""The scan for secrets sees what it is to see."""

import base64
from urllib.parse import quote

import pytest

from tests.leaks import Secrets, shapes_in

SECRET = 'ca"na/ry+secret=='


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        'ca\\"na/ry+secret==',
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_a_secret_is_found_in_every_spelling(text: str) -> None:
    secrets = Secrets()
    secrets.keep("the key", SECRET)
    assert secrets.found_in(f"request failed: {text} (403)") == {"the key"}
    assert secrets.found_in("request failed: (403)") == set()


@pytest.mark.parametrize(
    "text",
    [
        "POST https://prod-01.logic.azure.com/x?sp=%2Frun&sig=c2lnbmF0dXJl",
        "secret=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "AccountName=a;AccountKey=MDEyMzQ1Njc4OWFiY2RlZg==",
        "Authorization: Bearer eyJhbGciOi",
    ],
)
def test_what_looks_like_a_secret_is_found(text: str) -> None:
    assert len(shapes_in(text)) == 1
    assert shapes_in("sig= whsec_ AccountKey= Bearer of the sign") == set()
