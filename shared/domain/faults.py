"""Faults: what Customer Insights says went wrong, as an event tells it, and as much of it as fits into one."""

from collections.abc import Iterable, Sequence

from shared.domain.events.jobs import MAX_WARNINGS_BYTES
from shared.domain.events.wire import Error, Warned, Wire
from shared.domain.resources import Fault

# Of errors beside a success, those that are warnings.
SEVERITIES = ("warning", "error")


def error_of(fault: Fault | None) -> Error | None:
    """A fault as an event tells it."""
    if fault is None:
        return None
    return Error(code=fault.code, message=fault.message, culprit=fault.culprit, severity=fault.severity)


def warned_of(errors: Iterable[Fault]) -> Sequence[Warned] | None:
    """What a feed names beside a success, as an event tells it, as far as it fits into one; None for nothing."""
    warned = [
        Warned(code=error.code, message=message)
        for error in dict.fromkeys(errors)
        if error.severity in SEVERITIES and (message := error.message or error.code)
    ]
    return fitting(warned, MAX_WARNINGS_BYTES) or None


def fitting[Part: Wire](parts: Iterable[Part], room: int) -> list[Part]:
    """The first of some parts of an event, as many as fit into so many bytes."""
    kept: list[Part] = []
    for part in parts:
        room -= len(part.model_dump_json(by_alias=True, exclude_none=True).encode(errors="replace"))
        if room < 0:
            break
        kept.append(part)
    return kept
