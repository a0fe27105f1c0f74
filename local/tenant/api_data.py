"""The tenant's tables over HTTP: their metadata, their rows by OData, and the files of their partitions.

The files lie outside `/v1`, as a store would have them: who has the signed address and sends the header that goes with
it may read, and a caller that sends its token for the API along is refused.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from decimal import Decimal
from http import HTTPStatus
from urllib.parse import quote, unquote

from aiohttp import hdrs, web

from local.tenant import wire_tables
from local.tenant.answers import RefusalError, answer, flag, number
from local.tenant.model import Instance
from local.tenant.odata import Query, entity_of, key_of, written_key
from local.tenant.tables import DuplicateKeyError, Row, Table, TableError

FILES = "/partitions"
FILE_HEADERS = {"x-ms-version": "2020-10-02"}
PAGE_LIMIT = 100
_PATH = r"{path:[\s\S]+}"
_BEFORE_PATH = len(["", "v1", "instances", "{instance}", "data"])

type Call = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DataApi:
    """The calls that concern tables. `page_limit` is the most rows that one answer holds."""

    def __init__(self, find: Callable[[web.Request], Instance], page_limit: int) -> None:
        self.page_limit = page_limit
        self._find = find
        self._secret = secrets.token_bytes(32)

    def routes(self, instance: str) -> list[web.RouteDef]:
        """Give the routes below the path of an instance, and that of the files."""
        return [
            web.get(f"{instance}/manage/entities", self._entities),
            web.get(f"{instance}/manage/entities/{{table}}", self._entity),
            web.get(f"{instance}/data/{_PATH}", _with_odata_errors(self._read)),
            web.post(f"{instance}/data/{_PATH}", _with_odata_errors(self._create)),
            web.patch(f"{instance}/data/{_PATH}", _with_odata_errors(self._update)),
            web.get(f"{FILES}/{{instance}}/{{table}}/{{file}}", self._file),
        ]

    async def _entities(self, request: web.Request) -> web.StreamResponse:
        return answer(request, wire_tables.entity_model(self._find(request)))

    async def _entity(self, request: web.Request) -> web.StreamResponse:
        instance = self._find(request)
        table = instance.tables.get(request.match_info["table"])
        if table is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The entity was not found.")
        return answer(request, wire_tables.entity_item(table, instance))

    async def _read(self, request: web.Request) -> web.StreamResponse:
        instance = self._find(request)
        (path,) = _segments(request, 1)
        name, literal = entity_of(path)
        table = _table(instance, name)
        query = Query(*(request.query.get(f"${name}") for name in ("filter", "orderby", "search", "select", "expand")))
        context = f"{_api_root(request)}/data/$metadata#{table.name}"
        if literal is not None:
            row = table.find(key_of(literal, table))
            if row is None:
                raise RefusalError(HTTPStatus.NOT_FOUND, f"{table.name} has no such row.", table.name)
            return answer(request, wire_tables.single_row(context, query.shown([row], table, instance.tables)[0]))
        if flag(request, "proxy", default=False):
            return answer(request, wire_tables.partition_requests(self._uris(request, table), dict(FILE_HEADERS)))
        skip, top = number(request, "$skip", 0), number(request, "$top", self.page_limit)
        rows = query.matching(table)
        page = query.shown(rows[skip : skip + min(top, self.page_limit)], table, instance.tables)
        return answer(request, wire_tables.rows_page(context, len(rows), page))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        instance = self._find(request)
        (name,) = _segments(request, 1)
        table = _table(instance, name)
        row = table.add(await _row(request))
        location = f"{_api_root(request)}/data/{quote(table.name, safe='')}{quote(written_key(row, table), safe='')}"
        (shown,) = Query().shown([row], table, instance.tables)
        result = answer(request, wire_tables.created_result(location, shown), HTTPStatus.CREATED)
        result.headers[hdrs.LOCATION] = location
        return result

    async def _update(self, request: web.Request) -> web.StreamResponse:
        instance = self._find(request)
        name, key = _segments(request, 2)
        table = _table(instance, name)
        changes = await _row(request)
        if table.find(key) is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"{table.name} has no such row.", table.name)
        table.change(key, changes)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    # -- the files

    def _uris(self, request: web.Request, table: Table) -> list[str]:
        folder = f"{FILES}/{quote(request.match_info['instance'], safe='')}/{quote(table.name, safe='')}"
        paths = {each.name: f"{folder}/{each.name}.csv" for each in table.partitions}
        return [
            each.uri or f"{request.url.origin()}{paths[each.name]}?sp=r&sig={quote(self._signature(paths[each.name]))}"
            for each in table.partitions
        ]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Serve a file as the store does, which knows nothing of the API's tokens."""
        if hdrs.AUTHORIZATION in request.headers:
            return _file_error(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationInfo")
        expected = self._signature(request.rel_url.raw_path)
        if not hmac.compare_digest(request.query.get("sig", "").encode(), expected.encode()):
            return _file_error(HTTPStatus.FORBIDDEN, "AuthenticationFailed")
        if any(request.headers.get(name) != value for name, value in FILE_HEADERS.items()):
            return _file_error(HTTPStatus.BAD_REQUEST, "InvalidHeaderValue")
        table = self._find(request).tables.get(request.match_info["table"])
        for partition in table.partitions if table else []:
            if request.match_info["file"] == f"{partition.name}.csv" and table:
                return web.Response(text=table.stored(partition), content_type="text/csv", charset="utf-8")
        return _file_error(HTTPStatus.NOT_FOUND, "BlobNotFound")

    def _signature(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), hashlib.sha256).hexdigest()


def _with_odata_errors(call: Call) -> Call:
    """Answer what a call refuses with an `ODataError`."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await call(request)
        except RefusalError as refusal:
            status, message, target = refusal.status, refusal.message, refusal.target
        except TableError as error:
            status = HTTPStatus.CONFLICT if isinstance(error, DuplicateKeyError) else HTTPStatus.BAD_REQUEST
            message, target = error.message, error.target
        return answer(request, wire_tables.odata_error(status, message, target), status)

    return answered


def _segments(request: web.Request, count: int) -> list[str]:
    """Take the path after `data/` apart as it was sent, so that a key may hold an encoded slash."""
    raw = request.rel_url.raw_path.split("/", _BEFORE_PATH)[-1].split("/")
    if len(raw) != count:
        raise RefusalError(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
    return [unquote(segment) for segment in raw]


def _table(instance: Instance, name: str) -> Table:
    table = instance.tables.get(name)
    if table is None:
        raise RefusalError(HTTPStatus.NOT_FOUND, f"There is no table {name}.", name)
    return table


async def _row(request: web.Request) -> Row:
    """Read a JSON object, or a string that holds one: Microsoft's client encodes the text it is given once more."""
    try:
        body = json.loads(await request.text(), parse_float=Decimal)
        body = json.loads(body, parse_float=Decimal) if isinstance(body, str) else body
        json.dumps(body, ensure_ascii=False, default=str).encode()  # .NET takes no half of a surrogate pair
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body is no JSON object.")
    return body


def _api_root(request: web.Request) -> str:
    return f"{request.url.origin()}/v1/instances/{request.match_info['instance']}"


def _file_error(status: HTTPStatus, code: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{status.phrase}</Message></Error>'
    return web.Response(status=status, text=body, content_type="application/xml")
