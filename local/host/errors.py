"""The host's one error."""


class HostError(Exception):
    """The app cannot be served; the message says why and holds no secret."""
