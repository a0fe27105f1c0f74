"""Callback URLs at rest: what opens, what does not, and that nothing shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.cipher import CallbackCipher
from shared.errors import ConfigurationError

KEY = bytes(range(32))
OLD_KEY = bytes(range(32, 64))
URL = "https://prod-01.westeurope.logic.azure.com/workflows/0a?sp=%2Ftriggers&sig=c2lnbmF0dXJl"


def test_what_is_sealed_opens_again() -> None:
    cipher = CallbackCipher(KEY)
    assert cipher.open(cipher.seal(URL, context="s1"), context="s1") == URL


@given(plaintext=st.text(st.characters(exclude_categories=["Cs"])), context=st.text(st.characters(codec="utf-8")))
def test_any_text_and_context_come_back(plaintext: str, context: str) -> None:
    cipher = CallbackCipher(KEY)
    assert cipher.open(cipher.seal(plaintext, context=context), context=context) == plaintext


def test_the_same_text_is_sealed_differently_each_time() -> None:
    cipher = CallbackCipher(KEY)
    assert len({cipher.seal(URL, context="s1")[5:17] for _ in range(100)}) == 100


def test_a_ciphertext_does_not_open_in_another_row() -> None:
    cipher = CallbackCipher(KEY)
    with pytest.raises(ConfigurationError, match="moved from another subscription"):
        cipher.open(cipher.seal(URL, context="s1"), context="s2")


def test_the_key_before_a_rotation_reads() -> None:
    sealed = CallbackCipher(OLD_KEY).seal(URL, context="s1")
    assert CallbackCipher(KEY, previous=OLD_KEY).open(sealed, context="s1") == URL


def test_the_key_before_a_rotation_does_not_write() -> None:
    sealed = CallbackCipher(KEY, previous=OLD_KEY).seal(URL, context="s1")
    assert CallbackCipher(KEY).open(sealed, context="s1") == URL
    with pytest.raises(ConfigurationError):
        CallbackCipher(OLD_KEY).open(sealed, context="s1")


def test_the_same_key_given_twice_works() -> None:
    cipher = CallbackCipher(KEY, previous=KEY)
    assert cipher.open(cipher.seal(URL, context="s1"), context="s1") == URL


def test_an_unknown_key_names_the_settings_to_look_at() -> None:
    sealed = CallbackCipher(OLD_KEY).seal(URL, context="s1")
    with pytest.raises(ConfigurationError, match=r"CALLBACK_ENCRYPTION_KEY_PREVIOUS .* CALLBACK_ENCRYPTION_KEY"):
        CallbackCipher(KEY).open(sealed, context="s1")


@given(st.data())
def test_any_altered_bit_is_noticed(data: st.DataObject) -> None:
    cipher = CallbackCipher(KEY, previous=OLD_KEY)
    sealed = bytearray(cipher.seal(URL, context="s1"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ConfigurationError):
        cipher.open(bytes(sealed), context="s1")


@given(st.integers(min_value=0))
def test_any_missing_byte_is_noticed(length: int) -> None:
    cipher = CallbackCipher(KEY)
    sealed = cipher.seal(URL, context="s1")
    with pytest.raises(ConfigurationError):
        cipher.open(sealed[: length % len(sealed)], context="s1")


@given(st.binary())
def test_garbage_does_not_open(garbage: bytes) -> None:
    cipher = CallbackCipher(KEY)
    header = cipher.seal("", context="")[:5]
    for sealed in (garbage, header + garbage):
        with pytest.raises(ConfigurationError):
            cipher.open(sealed, context="s1")


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_a_key_has_256_bits(length: int) -> None:
    with pytest.raises(ConfigurationError, match=r"^CALLBACK_ENCRYPTION_KEY must be 32 bytes long"):
        CallbackCipher(bytes(length))
    with pytest.raises(ConfigurationError, match=r"^CALLBACK_ENCRYPTION_KEY_PREVIOUS must be 32 bytes long"):
        CallbackCipher(KEY, previous=bytes(length))


def test_neither_key_nor_text_shows() -> None:
    cipher = CallbackCipher(b"k" * 32, previous=b"p" * 32)
    sealed = cipher.seal(URL, context="s1")
    with pytest.raises(ConfigurationError) as caught:
        cipher.open(sealed, context="s2")
    shown = f"{cipher!r} {vars(cipher)!r} {caught.value!r} {caught.value.__cause__!r} {sealed!r}"
    assert "kkkk" not in shown
    assert "pppp" not in shown
    assert "c2lnbmF0dXJl" not in shown
