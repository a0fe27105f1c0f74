"""The authorities that requests and its kin trust in a host under test: that of the tests."""  # noqa: INP001 - see the other

import os

__version__ = "0"


def where() -> str:
    """The file that aiohttp and the callbacks take as well."""
    return os.environ["SSL_CERT_FILE"]


def contents() -> str:
    """What stands in it."""
    with open(where(), encoding="ascii") as file:  # noqa: PTH123 - nothing may be loaded for it
        return file.read()
