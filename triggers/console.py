"""The console's page: files of the app itself, each by its exact name, from memory.

No path of a request reaches the file system. The files are the same for everybody and hold no data, so they need no
key; what they show, the page asks the API for.
"""

import functools
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import azure.functions as func

from shared.settings import is_console_enabled

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

FOLDER = Path(__file__).parent.parent / "console"
INDEX = "index.html"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent: its type, and its content as it is and compressed."""

    media_type: str
    plain: bytes
    compressed: bytes
    digest: str

    @classmethod
    def read(cls, path: Path) -> "File":
        """Read a file of the folder, once."""
        content = path.read_bytes()
        compressed = gzip.compress(content, mtime=0)
        return cls(TYPES[path.suffix], content, compressed, hashlib.sha256(content).hexdigest()[:32])

    def answer(self, asked: Mapping[str, str]) -> func.HttpResponse:
        """The file for a request with these headers; 304 for who has it already."""
        is_compressed = "gzip" in asked.get("accept-encoding", "").lower()
        tag = f'"{self.digest}-gzip"' if is_compressed else f'"{self.digest}"'
        headers = {**HEADERS, "ETag": tag}
        known = [one.strip().removeprefix("W/") for one in asked.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return func.HttpResponse(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        return func.HttpResponse(
            self.compressed if is_compressed else self.plain, headers=headers, mimetype=self.media_type
        )


@functools.cache
def files() -> Mapping[str, File]:
    """All there is to be served, by name."""
    return {path.name: File.read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


@blueprint.route(route="console", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def open_console(req: func.HttpRequest) -> func.HttpResponse:
    """The page. What it loads lies beside it, so its address ends in a slash."""
    if is_console_enabled() and not urlsplit(req.url).path.endswith("/"):
        headers = {**HEADERS, "Location": "console/"}
        return func.HttpResponse(status_code=HTTPStatus.PERMANENT_REDIRECT, headers=headers)
    return _served(INDEX, req)


@blueprint.route(route="console/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def load_console(req: func.HttpRequest) -> func.HttpResponse:
    """What the page loads."""
    return _served(req.route_params["file"], req)


def _served(name: str, req: func.HttpRequest) -> func.HttpResponse:
    found = files().get(name) if is_console_enabled() else None
    return func.HttpResponse(status_code=HTTPStatus.NOT_FOUND) if found is None else found.answer(req.headers)
