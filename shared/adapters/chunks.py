"""Bytes of some length in a row: a property holds 64 KiB, a row 1 MiB."""

from collections.abc import Mapping

from shared.adapters.tables import Row

MAX_CHUNK = 65_536


def chunked(name: str, content: bytes) -> Mapping[str, bytes]:
    """Bytes as properties of a row: `name0`, `name1`, …"""
    starts = range(0, len(content), MAX_CHUNK)
    return {f"{name}{number}": content[start : start + MAX_CHUNK] for number, start in enumerate(starts)}


def joined(row: Row, name: str) -> bytes:
    """The bytes that `chunked` has made properties of."""
    found, number = b"", 0
    while (chunk := row.get(f"{name}{number}")) is not None:
        found, number = found + chunk, number + 1
    return found
