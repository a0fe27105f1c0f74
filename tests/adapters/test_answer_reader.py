"""An answer as its bytes come in, in whatever pieces: what it says, and whether its connection may be used again."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.answer_reader import MAX_BODY_BYTES, MAX_HEAD_BYTES, AnswerReader
from shared.domain.callbacks import Answer
from tests.adapters.odd_answers import ODD_LINES, ODD_RESTS

BODILESS = (204, 304)


def read(*pieces: bytes, cleanly: bool | None = None) -> AnswerReader:
    """Read the pieces; `cleanly` ends the connection then."""
    reader = AnswerReader()
    for piece in pieces:
        reader.feed(piece)
    if cleanly is not None:
        reader.end(cleanly=cleanly)
    return reader


def split(content: bytes, places: list[int]) -> list[bytes]:
    cuts = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in pairwise(cuts)]


def seen(reader: AnswerReader) -> tuple[Answer, bool]:
    return reader.answer(), reader.leaves_connection_usable


STATUSES = st.integers(200, 999)
PLACES = st.lists(st.integers(0, 10_000), max_size=8)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABC-!#$%&'*+.^_`|~0123456789", min_size=1, max_size=12)
VALUE = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
SPECIAL = {"content-length", "transfer-encoding", "connection", "retry-after", "x-ms-workflow-run-id"}
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in SPECIAL), VALUE), max_size=8)


@st.composite
def sound_answers(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Make an answer as RFC 9112 has it, with its status and its body."""
    status, body = draw(STATUSES), draw(st.binary(max_size=60))
    fields = [f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{value}" for name, value in draw(FIELDS)]
    if status in BODILESS:
        body = content = b""
    elif draw(st.booleans()):
        content = body
        fields.append(f"Content-length: {len(body)}")
    else:
        fields.append("Transfer-Encoding: Chunked")
        chunks = [piece for piece in split(body, draw(PLACES)) if piece] + [b""]
        content = b"".join(b"%x%s\r\n%s\r\n" % (len(one), draw(st.sampled_from([b"", b";a=b"])), one) for one in chunks)
    interim = draw(st.sampled_from(["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"]))
    head = interim + "".join(
        f"{line}\r\n" for line in [f"HTTP/1.1 {status} Reason", *draw(st.permutations(fields)), ""]
    )
    return head.encode("latin-1") + content, status, body


@given(sound_answers(), PLACES)
def test_a_sound_answer_is_read_to_its_end_and_leaves_the_connection_usable(
    sound: tuple[bytes, int, bytes], places: list[int]
) -> None:
    content, status, body = sound
    reader = read(*split(content, places))
    assert reader.is_over
    assert seen(reader) == (Answer(status=status, body=body.decode(errors="replace")), True)


@given(sound_answers(), st.integers(1))
def test_until_its_end_has_come_it_is_not_over(sound: tuple[bytes, int, bytes], missing: int) -> None:
    content, _, _ = sound
    reader = read(content[: -(missing % len(content)) or -1])
    assert not reader.is_over
    assert not reader.leaves_connection_usable


@given(sound_answers(), st.binary(min_size=1, max_size=20))
def test_what_follows_it_makes_the_connection_unusable_and_changes_nothing_else(
    sound: tuple[bytes, int, bytes], more: bytes
) -> None:
    content, status, body = sound
    assert seen(read(content + more)) == (Answer(status=status, body=body.decode(errors="replace")), False)


@given(
    st.sampled_from(
        [b"", b"HTTP/1.1 202 A\r\n", b"HTTP/1.1 400 B\r\n", b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n"]
    ),
    st.lists(
        st.binary(max_size=30) | st.text(":;, \r\n\tA0f/.=").map(str.encode) | st.sampled_from(list(ODD_RESTS.values()))
    ),
    PLACES,
    st.sampled_from([True, False, None]),
)
def test_whatever_comes_is_read_the_same_in_every_number_of_pieces(
    start: bytes,
    parts: list[bytes],
    places: list[int],
    cleanly: bool | None,  # noqa: FBT001 - Hypothesis names it
) -> None:
    content = start + b"".join(parts)
    reader = read(*split(content, places), cleanly=cleanly)
    assert reader.answer() == read(content, cleanly=cleanly).answer()
    if start:
        assert reader.status == int(start.split()[1])


# What is odd but leaves no doubt where the answer ends.
CERTAIN = {
    "a header of 9,000 bytes",
    "130 headers",
    "8-bit values",
    "an answer to be unpacked",
    "another protocol",
    "a body where none can be",  # with these statuses it can
}


@pytest.mark.parametrize("status", [202, 404])
@pytest.mark.parametrize("name", sorted(ODD_RESTS.keys() - CERTAIN))
def test_no_connection_is_used_again_where_the_end_of_an_answer_is_in_doubt(name: str, status: int) -> None:
    assert not read(b"HTTP/1.1 %d X\r\n%s" % (status, ODD_RESTS[name])).leaves_connection_usable


@pytest.mark.parametrize("length", [b"Content-Length: 1", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", BODILESS)
def test_a_length_where_no_body_can_be_leaves_it_in_doubt(status: int, length: bytes) -> None:
    reader = read(b"HTTP/1.1 %d X\r\n%s\r\n\r\n" % (status, length))
    assert seen(reader) == (Answer(status=status), False)


@pytest.mark.parametrize(
    "line", [b"Connection: close", b"connection: Keep-Alive, Close", b"Connection:x\r\nConnection:\tclose "]
)
def test_a_server_that_will_close_is_believed(line: bytes) -> None:
    reader = read(b"HTTP/1.1 202 X\r\n%s\r\nContent-Length: 2\r\n\r\nok" % line)
    assert seen(reader) == (Answer(status=202, body="ok"), False)


@pytest.mark.parametrize("line", ODD_LINES[4:7] + ODD_LINES[9:10] + ODD_LINES[-2:])
def test_no_connection_is_used_again_after_an_odd_status_line(line: bytes) -> None:
    assert not read(line + b"Content-Length: 0\r\n\r\n").leaves_connection_usable


@pytest.mark.parametrize(("cleanly", "is_cut"), [(True, False), (False, True)])
def test_the_end_of_the_connection_ends_a_body_without_length(*, cleanly: bool, is_cut: bool) -> None:
    reader = read(b"HTTP/1.1 400 X\r\n\r\nab", b"c", cleanly=cleanly)
    assert seen(reader) == (Answer(status=400, body="abc", is_cut=is_cut), False)


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 65536\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"],
)
def test_a_body_of_just_the_limit_is_read_to_its_end(head: bytes) -> None:
    reader = read(b"HTTP/1.1 400 X\r\n" + head, b"x" * MAX_BODY_BYTES)
    if b"chunked" in head:
        reader.feed(b"\r\n0\r\n\r\n")
    assert seen(reader) == (Answer(status=400, body="x" * MAX_BODY_BYTES), True)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b"x"),
        (b"", b"\r\n"),
        (b"", b"HTTP/1.1 100 C\r\n\r\n"),
        (b"HTTP/1.1 202 A\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 202 A\r\nX: ", b"y"),
        (b"HTTP/1.1 400 B\r\n\r\n", b"x"),
        (b"HTTP/1.1 400 B\r\nContent-Length: 999999999\r\n\r\n", b"x"),
        (b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", b"x"),
        (b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 400 B\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
)
def test_nothing_is_read_without_end(start: bytes, again: bytes) -> None:
    reader, fed = read(start), 0
    piece = again * (4_000 // len(again))
    while not reader.is_over:
        reader.feed(piece)
        fed += len(piece)
        assert fed < 8 * (MAX_HEAD_BYTES + MAX_BODY_BYTES)
    assert len(reader._buffer) <= MAX_HEAD_BYTES + len(piece)


def test_what_drips_in_by_single_bytes_is_read_in_good_time() -> None:
    reader = read(b"HTTP/1.1 202 A\r\n")
    began = time.process_time()
    for _ in range(MAX_HEAD_BYTES):
        reader.feed(b"x")
    assert reader.is_over
    assert time.process_time() - began < 2  # seconds; with a search from the start at each byte it took 20
