"""Reads delimited text, the format of partitions' files, as Customer Insights declares it, or says what else a file is.

The settings are those of the Common Data Model (`CsvFormatSettings`). What cannot be read as declared is refused: rows
that are guessed would be wrong rows.
"""

import codecs
import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_CHUNK_BYTES: Final = 64 * 1024
_LONGEST_LINE: Final = 16 * 1024 * 1024
# Power Automate takes messages of 100 MB at most.
_LONGEST_TEXT: Final = 100 * 1024 * 1024
# A field may be as long as a line; the limit is one for the whole process, and nothing else reads CSV.
csv.field_size_limit(_LONGEST_LINE)

_GZIP: Final = b"\x1f\x8b"
# How files begin that are no text. A control character after a name of letters tells it from a text that begins alike.
_BINARY: Final[Mapping[str, re.Pattern[bytes]]] = {
    "a Parquet file": re.compile(rb"PAR[1E][\x00-\x08\x0e-\x1f]"),
    "an ORC file": re.compile(rb"ORC[\x00-\x08\x0e-\x1f]"),
    "an Avro file": re.compile(rb"Obj\x01"),
    "a ZIP archive": re.compile(rb"PK(\x03\x04|\x05\x06)"),
    "compressed twice": re.compile(re.escape(_GZIP)),
    "compressed with bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "compressed with xz": re.compile(rb"\xfd7zXZ\x00"),
    "compressed with Zstandard": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_MARKUP: Final = re.compile(r"<(!doctype|html|\?xml)", re.IGNORECASE)
# The longest first: the mark of UTF-32 begins like that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableFileError(ValueError):
    """A file is not what can be read; the message says what it is, as the end of "the file is ..."."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a file is written: what parts fields, whether quotes enclose them, and the encoding, None for UTF-8."""

    delimiter: str = ","
    quoted: bool = True
    encoding: str | None = None

    @classmethod
    def declared(cls, delimiter: str | None, quote_style: str | None, encoding: str | None) -> "TextFormat":
        """The format of these settings. Raises `UnreadableFileError` for one that cannot be read."""
        parting = {"\\t": "\t"}.get(delimiter or "", delimiter or ",")
        if len(parting) != 1 or parting in '"\r\n\0':
            raise UnreadableFileError(f"declared to be delimited by {delimiter!r}, which the bridge cannot read")
        style = (quote_style or "csv").rpartition(".")[2].lower()
        if style not in {"csv", "none"}:
            raise UnreadableFileError(f"declared with the quote style {quote_style!r}, which the bridge does not know")
        return cls(parting, style == "csv", encoding or None)


def rows(chunks: Iterator[bytes], how: TextFormat, *, is_gzip: bool = False) -> Iterator[list[str]]:
    """The rows of a file that comes in chunks, compressed with gzip or not; a blank line is one without fields.

    Raises `UnreadableFileError` for what is no such file, and `EOFError` or `OSError` for a compression that is broken
    or cut off.
    """
    stream = io.BufferedReader(_Stream(chunks), _CHUNK_BYTES)
    if is_gzip or stream.peek(len(_GZIP)).startswith(_GZIP):
        unpacked = gzip.GzipFile(fileobj=stream)
        stream = io.BufferedReader(_Stream(iter(lambda: unpacked.read(_CHUNK_BYTES), b"")), _CHUNK_BYTES)
    head = stream.peek(16)
    for name, beginning in _BINARY.items():
        if beginning.match(head):
            raise UnreadableFileError(f"{name}, and the bridge reads delimited text")
    encoding = next((found for mark, found in _MARKS if head.startswith(mark)), how.encoding or "utf-8")
    try:
        text = io.TextIOWrapper(stream, encoding, newline="")
    except (LookupError, ValueError):  # ValueError: a name that is none
        raise UnreadableFileError(f"declared to be encoded in {encoding!r}, which is unknown") from None
    try:
        lines = _lines(text)
        if how.quoted:
            yield from csv.reader(lines, delimiter=how.delimiter, strict=True)
        else:
            yield from csv.reader(lines, delimiter=how.delimiter, quoting=csv.QUOTE_NONE)
    except UnicodeError:
        raise UnreadableFileError(f"not encoded in {encoding.removesuffix('-sig').upper()}") from None
    except csv.Error as error:
        raise UnreadableFileError(f"no CSV that can be read ({error})") from None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines with their ends, whichever of the three these are."""
    is_first, length = True, 0
    while line := text.readline(_LONGEST_LINE):
        if "\0" in line:
            raise UnreadableFileError("binary, and the bridge reads delimited text")
        if len(line) == _LONGEST_LINE and line[-1] not in "\r\n":
            raise csv.Error("a line without end")
        if is_first and (other := _other_text(line)) is not None:
            raise UnreadableFileError(f"{other}, and the bridge reads delimited text")
        is_first = is_first and line.isspace()
        length += len(line)
        if length > _LONGEST_TEXT:
            raise UnreadableFileError(f"longer than {_LONGEST_TEXT:,} characters, and no answer holds as much")
        yield line


def _other_text(line: str) -> str | None:
    """What a text is that begins with this line, if it is JSON or markup."""
    line = line.strip()
    if _MARKUP.match(line):
        return "a page of HTML or XML"
    if line in {"{", "["} or line.startswith("[{"):
        return "JSON"
    if not line.startswith(("{", "[")):
        return None
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return None
    return "JSON"


class _Stream(io.RawIOBase):
    """Chunks as a stream that gives as much as it is asked for, until its end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what is passed in is one
        filled = 0
        while filled < len(buffer):
            self._rest = self._rest or next(self._chunks, b"")
            if not self._rest:
                break
            count = min(len(buffer) - filled, len(self._rest))
            buffer[filled : filled + count], self._rest = self._rest[:count], self._rest[count:]
            filled += count
        return filled
