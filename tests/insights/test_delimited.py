"""Delimited text is read as it is declared, whatever its ends of lines and its encoding, or refused by name."""

import csv
import gzip
import io
import itertools
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.insights.delimited import TextFormat, UnreadableFileError, rows

# Any text but halves of surrogate pairs, which no encoding holds, and NUL, which no text does.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(',;\t|"\r\n \ufeff')
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=5)
)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (bytes(piece) for piece in itertools.batched(body, size, strict=False))


def read(body: bytes, how: TextFormat | None = None, *, size: int = 1_000) -> list[list[str]]:
    return list(rows(pieces(body, size), how or TextFormat()))


def refusal(body: bytes, how: TextFormat | None = None) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        read(body, how)
    return str(caught.value)


def written(table: Sequence[Sequence[str]], delimiter: str, end: str, quoting: int) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    return text.getvalue()


@settings(max_examples=300, deadline=None)
@given(
    table=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    size=st.integers(1, 50),
    packed=st.booleans(),
)
def test_what_was_written_is_read(  # noqa: PLR0913 - the ways in which files differ
    *, table: list[list[str]], delimiter: str, end: str, quoting: int, encoding: str, size: int, packed: bool
) -> None:
    # A first field that begins with a byte order mark is taken for one by whoever reads UTF-8.
    text = written([["first"] * len(table[0]), *table], delimiter, end, quoting)
    body = text.encode(encoding)
    how = TextFormat(delimiter)
    assert read(gzip.compress(body) if packed else body, how, size=size)[1:] == table


@given(table=TABLES, encoding=st.sampled_from(["windows-1252", "iso-8859-1", "shift_jis", "cp037"]))
def test_a_declared_encoding_is_the_files(table: list[list[str]], encoding: str) -> None:
    kept = [["first", *(field.encode(encoding, "ignore").decode(encoding) for field in row)] for row in table]
    body = written(kept, ",", "\n", csv.QUOTE_ALL).encode(encoding, "ignore")
    assert read(body, TextFormat(encoding=encoding)) == kept


@given(st.binary(max_size=200) | st.text('",\r\n{[x').map(str.encode))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        read(body)
    except (UnreadableFileError, OSError, EOFError, zlib.error):
        return


def test_without_quotes_a_quote_is_a_letter() -> None:
    assert read(b'a,"b\n5" pipe,c"\n', TextFormat(quoted=False)) == [["a", '"b'], ['5" pipe', 'c"']]


def test_a_quote_inside_a_field_is_a_letter() -> None:
    assert read(b'5" pipe,x\n') == [['5" pipe', "x"]]


@pytest.mark.parametrize("body", [b'"a"b,c\n', b'a,"never closed\n', b'a,"b\n\nc'])
def test_quotes_that_do_not_match_are_no_csv(body: bytes) -> None:
    assert "no CSV" in refusal(body)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"PAR1\x15\x04\x15", "a Parquet file"),
        (b"PARE\x15\x04\x15", "a Parquet file"),
        (b"ORC\n\x03\x00", "binary"),
        (b"ORC\x08\x03", "an ORC file"),
        (b"Obj\x01\x04\x16avro", "an Avro file"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (gzip.compress(gzip.compress(b"a,b\n", mtime=0), mtime=0), "compressed twice"),
        (gzip.compress(b"PAR1\x15\x04\x15", mtime=0), "a Parquet file"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed with Zstandard"),
        (b'{"Id": 1, "Name": "x"}\n{"Id": 2, "Name": "y"}\n', "JSON"),
        (b'[{"Id": 1},\n{"Id": 2}]', "JSON"),
        (b'[{"Id": 1, "Name": [\n', "JSON"),
        (b'{\n "Id": 1}', "JSON"),
        (b"[]", "JSON"),
        (b"<!DOCTYPE html>\n<html>", "a page of HTML"),
        (b"\n<html>", "a page of HTML"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><Error/>', "a page of HTML or XML"),
        (b"a,b\n\0,c\n", "binary"),
        ("a,b\n".encode("utf-16-le"), "binary"),
        (b"caf\xe9,b\n", "not encoded in UTF-8"),
        (b"\xff\xfea", "not encoded in UTF-16"),
        (b"x" * (17 * 1024 * 1024), "no CSV that can be read (a line without end)"),
        (b'"' + b"x\n" * (9 * 1024 * 1024), "no CSV that can be read"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_something_else_is_named(body: bytes, name: str) -> None:
    assert name in refusal(body)


@pytest.mark.parametrize("text", ["PAR1,x", "ORC,x", "BZh,x", "PK,x", "{0c9d8e7f},x", "[x],y", "<b>,x", "{,x", "Obj,1"])
def test_a_text_that_begins_like_something_else_is_a_text(text: str) -> None:
    assert read(text.encode()) == [text.split(",")]


@pytest.mark.parametrize("encoding", ["no-such", "rot13", "base64"])
def test_an_encoding_that_is_none_is_named(encoding: str) -> None:
    assert f"encoded in '{encoding}', which is unknown" in refusal(b"a\n", TextFormat(encoding=encoding))


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ((None, None, None), TextFormat()),
        (("", "", ""), TextFormat()),
        ((";", "QuoteStyle.None", "1252"), TextFormat(";", quoted=False, encoding="1252")),
        (("\\t", "quotestyle.CSV", "UTF-8"), TextFormat("\t", encoding="UTF-8")),
    ],
)
def test_what_is_declared(declared: tuple[str | None, str | None, str | None], expected: TextFormat) -> None:
    assert TextFormat.declared(*declared) == expected


@pytest.mark.parametrize("declared", [("||", None), ('"', None), ("\n", None), (",", "QuoteStyle.Single")])
def test_what_is_declared_and_cannot_be_read_is_named(declared: tuple[str, str | None]) -> None:
    with pytest.raises(UnreadableFileError, match="declared"):
        TextFormat.declared(*declared, None)


@pytest.mark.parametrize("missing", [1, 8, 15])
def test_a_compression_that_is_cut_off_is_no_shorter_file(missing: int) -> None:
    with pytest.raises((EOFError, OSError, zlib.error)):
        read(gzip.compress(b"a,b\n" * 9)[:-missing])


def test_a_file_that_is_far_longer_unpacked_is_refused_in_little_memory() -> None:
    packed = gzip.compress((b"x" * 1_000 + b"\n") * 200_000, 1)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match="longer than"):
            for _ in rows(pieces(packed, 65_536), TextFormat()):
                pass
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
