"""Application Insights' ingestion on loopback, as far as its SDK needs it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.leaks import shapes_in

# The SDK's telemetry about itself goes nowhere.
QUIET = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
}


class Ingestion:
    """The ingestion; `items` is what came."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        ingestion = self

        class Requests(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                items = json.loads(body)
                ingestion.items += items
                answer = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)

    @property
    def connection_string(self) -> str:
        address = f"http://127.0.0.1:{self.server.server_port}/"
        key = "12345678-1234-1234-1234-123456789abc"
        return f"InstrumentationKey={key};IngestionEndpoint={address};LiveEndpoint={address}"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [{**item, **item["data"]["baseData"]} for item in self.items if item["data"]["baseType"] == kind]

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Take what is sent, which tells no secret."""
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()
        assert shapes_in(json.dumps(self.items)) == set()
