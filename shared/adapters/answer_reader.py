"""A flow's answer, read as its bytes come in: the status line decides, and nothing behind it takes that back.

A flow that says 202 has taken the event, so unlike an HTTP library's, this reader refuses no answer for what follows.
It is strict (RFC 9112) about one thing: only after an answer whose end is certain may its connection be used again.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from shared.domain.callbacks import Answer, parse_retry_after

MAX_BODY_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024  # all of an answer that is no body: status lines, header section, trailers
MAX_CHUNK_LINE_BYTES = 4 * 1024

# Blanks of either kind and any number may part its words (RFC 9112, 4), and old servers leave out the reason. Blanks
# before it, or its name in lower case, are not allowed, and leave no doubt.
_STATUS_LINE = re.compile(rb"[ \t]*(?i:HTTP)/([0-9](?:\.[0-9])?)[ \t]+([1-9][0-9]{2})(?:[ \t].*)?", re.DOTALL)
_SECTION_END = re.compile(rb"(?:\A|\n)\r?\n")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_RUN_ID = re.compile(r"[!-~]{1,128}")

type _Step = Callable[["AnswerReader"], bool]


class AnswerReader:
    """One answer as far as it has come. Nothing that the other side sends makes it raise or grow without end.

    `has_begun`: a byte has come. `is_over`: no more is to be read. `status` is that of the final status line.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.is_over = False
        self.status: int | None = None
        self._fields: dict[bytes, list[bytes]] = {}
        self._body = bytearray()
        self._buffer = bytearray()
        self._head_bytes = 0
        self._left = 0
        self._searched = 0
        self._is_whole = False
        self._is_odd = False  # not, or not for certain, as RFC 9112 has it
        self._closes = False
        self._step: _Step = AnswerReader._read_status_line  # a bound method would tie the reader to itself

    @property
    def leaves_connection_usable(self) -> bool:
        """Whether the next answer on the connection would be the next request's, for certain."""
        return self._is_whole and not self._is_odd and not self._closes and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self.has_begun = True
        self._buffer += data
        while not self.is_over and self._step(self):
            pass

    def end(self, *, cleanly: bool) -> None:
        """No more will come; `cleanly` when the other side said so itself. What has not begun may begin yet."""
        if self.is_over or not self.has_begun:
            return
        if self._step is AnswerReader._read_status_line:
            self._note_status(bytes(self._buffer))
        self._finish(whole=cleanly and self._step is AnswerReader._read_until_close)

    def answer(self) -> Answer:
        """What it says, whether or not it came to its end."""
        self.end(cleanly=False)
        if self.status is None:
            return Answer(failure="answer not readable")
        run_id = _RUN_ID.fullmatch(self._first(b"x-ms-workflow-run-id"))
        return Answer(
            status=self.status,
            body=self._body.decode(errors="replace"),
            retry_after=parse_retry_after(self._first(b"retry-after"), datetime.now(UTC)),
            run_id=run_id[0] if run_id else None,
            is_cut=not self._is_whole,
        )

    # Each step consumes what it can of the buffer and tells whether the next may follow; if not, it waits for more.

    def _read_status_line(self) -> bool:
        line = self._take_line(MAX_HEAD_BYTES - self._head_bytes)
        if line is None:
            return False
        self._head_bytes += len(line) + 1
        if not line.strip(b"\r"):
            self._is_odd = True
            return True
        if self._note_status(line):
            self._step = AnswerReader._read_fields
        else:
            self._finish(whole=False)
        return True

    def _note_status(self, line: bytes) -> bool:
        """Take the status of a status line; an interim one (100 to 199) has none to keep."""
        found = _STATUS_LINE.fullmatch(line.removesuffix(b"\r"))
        if found is None or int(found[2]) == HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for another protocol
            return False
        self._closes |= not line.startswith(b"HTTP/1.1")
        if int(found[2]) >= HTTPStatus.OK:
            self.status = int(found[2])
        return True

    def _read_fields(self) -> bool:
        section = self._take_section()
        if section is None:
            return False
        if self.status is None:
            self._step = AnswerReader._read_status_line  # after an interim answer
            return True
        for line in section.split(b"\n"):
            self._note_field(line.removesuffix(b"\r"))
        self._step = AnswerReader._read_until_close
        self._find_end()
        is_success = HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES
        if is_success and self._is_odd and not self.is_over:
            self._finish(whole=False)  # nobody needs its body, and who knows where it ends
        return True

    def _note_field(self, line: bytes) -> None:
        if not line:
            return
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name) and not _CONTROL.search(value):
            self._fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
        else:
            self._is_odd = True

    def _find_end(self) -> None:
        """Find out where the body ends (RFC 9112, 6.3); where that is in doubt, at the end of the connection."""
        encodings, lengths = self._items(b"transfer-encoding"), self._items(b"content-length")
        self._closes |= b"close" in self._items(b"connection")
        if self.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            self._is_odd |= bool(encodings or set(lengths) - {b"0"})
            self._finish(whole=True)
        elif encodings:
            self._is_odd |= encodings != [b"chunked"] or bool(lengths)
            if encodings[-1] == b"chunked":
                self._step = AnswerReader._read_chunk_line
        elif lengths:
            is_known = len(set(lengths)) == 1 and _LENGTH.fullmatch(lengths[0]) is not None
            self._is_odd |= len(lengths) > 1 or not is_known
            if is_known:
                self._left = int(lengths[0])
                self._step = AnswerReader._read_sized

    def _read_sized(self) -> bool:
        self._take_body()
        if not self._left:
            self._finish(whole=True)
        return False

    def _read_until_close(self) -> bool:
        self._closes = True
        self._left = len(self._buffer) + 1  # there may always be more
        self._take_body()
        return False

    def _read_chunk_line(self) -> bool:
        line = self._take_line(MAX_CHUNK_LINE_BYTES)
        if line is None:
            return False
        found = _CHUNK_LINE.fullmatch(line.removesuffix(b"\r"))
        if found is None:
            self._finish(whole=False)
            return False
        self._left = int(found[1], 16)
        self._step = AnswerReader._read_chunk if self._left else AnswerReader._read_trailers
        return True

    def _read_chunk(self) -> bool:
        self._take_body()
        if self._left:
            return False
        self._step = AnswerReader._read_chunk_end
        return True

    def _read_chunk_end(self) -> bool:
        line = self._take_line(1)
        if line is None:
            return False
        if line.strip(b"\r"):
            self._finish(whole=False)
            return False
        self._step = AnswerReader._read_chunk_line
        return True

    def _read_trailers(self) -> bool:
        if self._take_section() is not None:
            self._finish(whole=True)
        return False

    def _take_line(self, limit: int) -> bytes | None:
        """The next line without its line feed, or None: it has not come, or is longer than the limit."""
        end = self._buffer.find(b"\n", 0, limit + 1)
        if end < 0:
            if len(self._buffer) > limit:
                self._finish(whole=False)
            return None
        line = self._take(end)
        del self._buffer[:1]
        self._is_odd |= not line.endswith(b"\r")  # allowed, and read in two ways by two readers
        return line

    def _take_section(self) -> bytes | None:
        """The next lines up to an empty one, or None: it has not come, or they are more than fit."""
        found = _SECTION_END.search(self._buffer, max(0, self._searched - len(b"\n\r")))
        if (found.end() if found else len(self._buffer)) > MAX_HEAD_BYTES - self._head_bytes:
            self._finish(whole=False)
            return None
        if found is None:
            self._searched = len(self._buffer)
            return None
        section = self._take(found.end())
        self._head_bytes += len(section)
        self._is_odd |= section.count(b"\n") != section.count(b"\r\n")
        return section

    def _take_body(self) -> None:
        """Take what has come of the `_left` bytes. Beyond the limit nothing is read."""
        taken = self._take(self._left)
        self._left -= len(taken)
        self._body += taken[: MAX_BODY_BYTES - len(self._body)]
        if len(self._body) == MAX_BODY_BYTES and (self._left or self._buffer):
            self._closes = True
            self._finish(whole=True)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return taken

    def _finish(self, *, whole: bool) -> None:
        self.is_over, self._is_whole = True, whole

    def _items(self, name: bytes) -> list[bytes]:
        """The items of a list field, lower case."""
        return [item.strip(b" \t").lower() for value in self._fields.get(name, []) for item in value.split(b",")]

    def _first(self, name: bytes) -> str:
        return self._fields.get(name, [b""])[0].decode("latin-1")
