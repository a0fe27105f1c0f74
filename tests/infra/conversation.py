"""A Bicep compiler that stays and answers questions over JSON-RPC: its start takes five times as long as an answer."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any, Self


class Conversation:
    """A running compiler. `environment` is its environment; leave it with `close`, or as a context."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the compiler
            [path, "jsonrpc", "--stdio"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def ask(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - any JSON
        """The result of a method; a question that is refused fails the test."""
        self._asked += 1
        self._write({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": parameters})
        answer = self._read()
        assert answer["id"] == self._asked
        assert "error" not in answer, answer["error"]["message"]
        return answer["result"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        body = json.dumps(message).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> Any:  # noqa: ANN401 - any JSON
        assert self._process.stdout
        headers = {}
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value
        assert headers, "the compiler has ended"
        return json.loads(self._process.stdout.read(int(headers[b"content-length"])))
