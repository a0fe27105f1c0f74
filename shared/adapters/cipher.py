"""The encryption of callback URLs and secrets at rest: AES-256-GCM under the key of the settings.

Each text is bound to a context, its subscription and what it is for, so a ciphertext that is moved to another place
does not open there. The key before a rotation still reads and never writes. No key or text appears in an error or a
`repr`.
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import ConfigurationError

KEY_BYTES = 32

# A sealed text is: version (1 byte), fingerprint of its key (4), nonce (12), ciphertext, tag (16).
_VERSION = b"\x01"
_FINGERPRINT_BYTES = 4
_HEADER_BYTES = len(_VERSION) + _FINGERPRINT_BYTES
_NONCE_BYTES = 12  # 96 bits: what NIST SP 800-38D recommends; random ones are safe for 2^32 texts under one key

_KEY_SETTING = "CALLBACK_ENCRYPTION_KEY"
_PREVIOUS_SETTING = "CALLBACK_ENCRYPTION_KEY_PREVIOUS"


class CallbackCipher:
    """Seals and opens texts with `key`, and opens what `previous` has sealed. Each key has 32 bytes.

    Raises `ConfigurationError` for a key of another length.
    """

    def __init__(self, key: bytes, previous: bytes | None = None) -> None:
        self._header = _header(key)
        self._ciphers = {self._header: _cipher(key, _KEY_SETTING)}
        if previous is not None:
            self._ciphers.setdefault(_header(previous), _cipher(previous, _PREVIOUS_SETTING))

    def seal(self, plaintext: str, *, context: str) -> bytes:
        """Return the text sealed under the current key and bound to the context; each call gives other bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = self._header + context.encode()
        return self._header + nonce + self._ciphers[self._header].encrypt(nonce, plaintext.encode(), bound)

    def open(self, sealed: bytes, *, context: str) -> str:
        """Return the text that was sealed for this context.

        Raises `ConfigurationError` when neither key fits, or the bytes were altered or sealed for another context.
        """
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        cipher = self._ciphers.get(header)
        if cipher is None:
            raise ConfigurationError(
                f"A stored callback URL or secret was encrypted under a key that the bridge does not have: "
                f"set {_PREVIOUS_SETTING} to the key used before {_KEY_SETTING}."
            )
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + context.encode()).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise ConfigurationError(
                f"A stored callback URL or secret was altered, or moved from another subscription, and does not open "
                f"under {_KEY_SETTING} or {_PREVIOUS_SETTING}: subscribe again, or restore the row."
            ) from error


def _header(key: bytes) -> bytes:
    """Return what a text sealed under the key begins with: 32 bits of a hash tell keys apart and betray none."""
    return _VERSION + hashlib.sha256(key).digest()[:_FINGERPRINT_BYTES]


def _cipher(key: bytes, setting: str) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{setting} must be {KEY_BYTES} bytes long.")
    return AESGCM(key)
