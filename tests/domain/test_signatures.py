"""Signatures: those of Standard Webhooks, by one secret or by two."""

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.signatures import SECRET_BYTES, context, sign, written

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEYS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)


def test_the_sample_that_the_standard_s_own_libraries_are_tested_with() -> None:
    signed = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.lists(KEYS, min_size=1, max_size=2), st.text(), st.integers(0, 2**40), st.binary())
def test_each_secret_signs_what_is_sent(keys: list[bytes], message_id: str, timestamp: int, body: bytes) -> None:
    signed = sign([written(key) for key in keys], message_id, timestamp, body).split(" ")
    for one, key in zip(signed, keys, strict=True):
        content = b".".join((message_id.encode(), str(timestamp).encode(), body))
        version, _, text = one.partition(",")
        assert (version, base64.b64decode(text, validate=True)) == ("v1", hmac.digest(key, content, hashlib.sha256))


def test_a_secret_is_written_as_the_standard_has_it() -> None:
    assert written(bytes(32)) == "whsec_" + "A" * 43 + "="


def test_a_secret_is_bound_to_more_than_its_subscription() -> None:
    # An id that a caller chooses has no slash.
    assert context("a") not in {"a", context("b")}
