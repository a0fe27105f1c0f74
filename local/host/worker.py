"""Microsoft's worker runtime: indexes the app in a folder and invokes its functions.

The only module that touches `azure_functions_runtime`. Its surface is internal and undocumented, so the version is
pinned; this is the code that Azure runs for apps on Python 3.13. One process can load one app.
"""

import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import azure_functions_runtime
from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.bindings.meta import load_binding_registry

from local.host.errors import HostError

log = logging.getLogger(__name__)

TRIGGERS = frozenset({"httpTrigger", "queueTrigger", "timerTrigger"})


class _Protos:
    """The names of the host's protocol that indexing uses; plain objects stand in for the generated messages."""

    # A class statement cannot make an attribute named `in`.
    BindingInfo = type("BindingInfo", (SimpleNamespace,), {"undefined": 0, "in": 0, "out": 1, "inout": 2})
    RpcFunctionMetadata = SimpleNamespace
    RpcRetryOptions = SimpleNamespace


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app; `trigger` is its trigger binding as the decorators wrote it."""

    id: str
    name: str
    trigger: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended; `value` is the `Datum` it returned, if any."""

    succeeded: bool
    value: Any


class Worker:
    """The loaded app. Make one with `Worker.load`."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self._running: dict[str, str] = {}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Index function_app.py in `folder`. One bad function and none is served: `HostError`."""
        _enter(folder)
        azure_functions_runtime.start_threadpool_executor()
        load_binding_registry()
        handle_event.protos = _Protos
        try:
            handle_event.load_function_metadata(str(folder), caller_info=__name__)
        except Exception as error:
            raise HostError(f"Indexing failed, so no function is served: {error}") from error
        return cls(tuple(_function(metadata) for metadata in _indexed(folder)))

    async def invoke(
        self, function: Function, value: Datum, metadata: Mapping[str, Datum] | None = None, *, trace_parent: str = ""
    ) -> Outcome:
        """Run a function. Its failure is logged, and is an `Outcome`, not an exception."""
        invocation_id, started = str(uuid.uuid4()), time.monotonic()
        with self._known(invocation_id, function.name):
            succeeded, returned, _, error, trace = await native_invocation.invocation_request_native(
                invocation_id,
                function.id,
                [(function.trigger["name"], value)],
                dict(metadata or {}),
                trace_parent=trace_parent,
            )
        milliseconds = (time.monotonic() - started) * 1000
        if succeeded:
            log.debug("%s succeeded in %.0f ms", function.name, milliseconds)
        else:
            log.error("%s failed after %.0f ms: %s\n%s", function.name, milliseconds, error, trace)
        return Outcome(succeeded=succeeded, value=returned)

    def current_function(self) -> str | None:
        """Return the name of the function whose code is running here, in a task or a worker thread."""
        return self._running.get(azure_functions_runtime.invocation_id_cv.get())

    @contextmanager
    def _known(self, invocation_id: str, name: str) -> Iterator[None]:
        self._running[invocation_id] = name
        try:
            yield
        finally:
            del self._running[invocation_id]


def _enter(folder: Path) -> None:
    """Make `folder` the current one and the last place to import from, as on Azure: a dependency's name wins."""
    here = os.path.realpath(Path.cwd())
    sys.path[:] = [entry for entry in sys.path if entry and os.path.realpath(entry) != here]
    sys.path.append(str(folder))
    os.chdir(folder)


def _indexed(folder: Path) -> list[SimpleNamespace]:
    # None: the runtime found no function_app.py, or no function in it.
    found: list[SimpleNamespace] | None = handle_event._metadata_result  # noqa: SLF001 - there is no public way to it
    if not found:
        raise HostError(f"No function found in {folder / 'function_app.py'}")
    return found


def _function(metadata: SimpleNamespace) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    triggers = [binding for binding in bindings if binding["type"] in TRIGGERS]
    others = [binding["type"] for binding in bindings if binding["type"] not in TRIGGERS | {"http"}]
    if len(triggers) != 1 or others:
        kinds = ", ".join(binding["type"] for binding in bindings)
        raise HostError(f"{metadata.name}: this host serves HTTP, timer and queue triggers only, not: {kinds}")
    return Function(metadata.function_id, metadata.name, triggers[0])
