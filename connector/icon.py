"""The icon: a bridge with an event above it, drawn here and written as PNG."""

import struct
import zlib
from itertools import product

SIZE = 230
BRAND = "#0b6a6f"
_SAMPLES = 3  # per pixel and direction, for smooth edges
_INK = (255, 255, 255)
_GROUND = tuple(bytes.fromhex(BRAND[1:]))


def draw() -> bytes:
    """The icon as a PNG file: 8 bits each of red, green and blue."""
    rows = (b"\0" + b"".join(_pixel(x, y) for x in range(SIZE)) for y in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixel(x: int, y: int) -> bytes:
    steps = [(2 * step + 1) / (2 * _SAMPLES) for step in range(_SAMPLES)]
    inked = sum(_is_inked(x + dx, y + dy) for dx, dy in product(steps, steps))
    return bytes(
        (ink * inked + ground * (_SAMPLES**2 - inked)) // _SAMPLES**2 for ink, ground in zip(_INK, _GROUND, strict=True)
    )


def _is_inked(x: float, y: float) -> bool:
    """Whether a point is on the deck, the arch below it, a pier, or the event above."""
    deck = 35 <= x <= 195 and 112 <= y <= 126  # noqa: PLR2004 - a drawing
    arch = 46**2 <= (x - 115) ** 2 + (y - 180) ** 2 <= 60**2 and 120 <= y <= 180  # noqa: PLR2004 - a drawing
    piers = 120 <= y <= 180 and (41 <= x <= 55 or 175 <= x <= 189)  # noqa: PLR2004 - a drawing
    event = (x - 115) ** 2 + (y - 72) ** 2 <= 22**2
    return deck or arch or piers or event
