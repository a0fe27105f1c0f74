"""The errors of the bridge, named by what to do next.

    BridgeError
    ├── TransientError         try again: the next poll or the next attempt may succeed
    │   ├── TimedOutError      the other side did not answer in time; it may have done what it was asked
    │   └── ThrottledError     the other side takes no more calls for now: it was not asked, or has not listened
    ├── PermanentError         the same request will never succeed
    │   ├── NotFoundError      what was asked for does not exist
    │   ├── InvalidInputError  a caller's input is wrong: each field with its message
    │   ├── RefusedError       Customer Insights refuses the request as it is, and says why
    │   ├── ConflictError      the caller's input clashes with what exists
    │   └── TooLargeError      it does not fit where it must go
    ├── ConfigurationError     somebody must act: the message says where and how
    │   ├── SettingsError      settings are missing or malformed: all of them in one message
    │   ├── AccessError        Customer Insights refuses the bridge's own key, token or role
    │   ├── CheckpointError    a checkpoint cannot be read; it is left as it is
    │   └── FormatError        something stored has a form that this version does not know; it is left as it is
    └── LostRaceError          somebody else wrote first: drop the result, or read again

No message holds a secret: no key, token or callback URL.
"""

from collections.abc import Mapping


class BridgeError(Exception):
    """The root of all errors the bridge raises on purpose."""


class TransientError(BridgeError):
    """Trying again later may succeed; `retry_after` is the wait in seconds that the other side asked for, if any."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOutError(TransientError):
    """The other side did not answer in time; it may have done what it was asked."""


class ThrottledError(TransientError):
    """The other side takes no more calls for now: it was not asked, or has not listened."""


class PermanentError(BridgeError):
    """The same request will never succeed."""


class NotFoundError(PermanentError):
    """What was asked for does not exist."""


class InvalidInputError(PermanentError):
    """A caller's input is wrong; `fields` maps each field (a JSON key or query parameter) to what is wrong with it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in fields.items()))
        self.fields = dict(fields)


class RefusedError(PermanentError):
    """Customer Insights refuses the request; `words` is its own message, `target` what it is about, if it says so."""

    def __init__(self, message: str, *, words: str = "", target: str = "") -> None:
        super().__init__(message)
        self.words = words
        self.target = target


class ConflictError(PermanentError):
    """The caller's input clashes with what exists; `words` is Customer Insights' own message, if it is its refusal."""

    def __init__(self, message: str, *, words: str = "") -> None:
        super().__init__(message)
        self.words = words


class TooLargeError(PermanentError):
    """Something does not fit where it must go."""


class ConfigurationError(BridgeError):
    """Somebody must act before this can work."""


class SettingsError(ConfigurationError):
    """Settings are missing or malformed; the message names all of them.

    `fields` maps each setting to what is wrong with it, and `cure` says what may help, where that is known.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None, cure: str = "") -> None:
        super().__init__(message)
        self.fields = dict(fields or {})
        self.cure = cure


class AccessError(ConfigurationError):
    """Customer Insights refuses the bridge's key, token or role (401 or 403)."""


class CheckpointError(ConfigurationError):
    """A checkpoint cannot be read; it is never overwritten."""


class FormatError(ConfigurationError):
    """Something stored has a form that this version of the bridge does not know."""

    def __init__(self, what: str, version: object) -> None:
        super().__init__(f"a {what} has the form {version!r}, which this version of the bridge does not know")


class LostRaceError(BridgeError):
    """A conditional write found that somebody else wrote first."""
