"""How does the tenant write its enum values: camelCase or PascalCase? And which are new to the bridge?

The bridge reads the values that it knows in either; see `shared.insights.spelling`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from doctor.findings import Finding, fine, listed, unseen
from doctor.probing import values_at
from shared.insights.spelling import spelled

_FAULT: Final = ("exceptionCulprit", "resultSeverity")

# Where the enums that the bridge reads stand, by what is listed there.
ENUMS: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "data sources": [
        (*level, name)
        for level in (("dataSourceMetadata",), ())
        for name in ("kind", "refreshState", "provisioningState")
    ],
    "workflow nodes": [("operationType",), ("taskStatus",), *(("ciErrors", name) for name in _FAULT)],
    "jobs": [
        *(("jobStatus",), ("operationType",), ("jobSubmissionKind",), ("jobType",)),
        *(("tasks", "taskStatus"), ("tasks", "operationType"), *(("tasks", "ciErrors", name) for name in _FAULT)),
    ],
    "segments": [("state",), ("evaluationStatus", "jobStatus")],
    "measures": [("latestEvaluation", "state")],
    "tables": [("entities", "entityType")],
}


def check_spellings(documents: Mapping[str, Any]) -> list[Finding]:
    """Tell how the enums in the API's answers, by what they list, are spelled."""
    findings = []
    for what, document in documents.items():
        seen = _seen(document, ENUMS[what])
        unknown = seen.pop("", {})
        if seen:
            spellings = (f"{_fields(fields)} in {spelling}" for spelling, fields in sorted(seen.items()))
            findings.append(fine(f"Spelling in {what}: {'; '.join(spellings)}."))
        if unknown:
            findings.append(
                unseen(
                    f"Values in {what} that the bridge does not know: {_fields(unknown)}.",
                    "It passes them on as they are, and takes none of them for an end or an outcome. Report them.",
                )
            )
    return findings


def _seen(document: Any, paths: Sequence[tuple[str, ...]]) -> dict[str, dict[str, set[str]]]:  # noqa: ANN401 - JSON
    """The values at these paths, by their spelling and then by field."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in paths:
        for value in values_at(document, *path):
            if isinstance(value, str) and value:
                seen[_spelling(value)][".".join(path)].add(value)
    return seen


def _spelling(value: str) -> str:
    """The name of the spelling; empty where the bridge does not know the value."""
    known = spelled(value.upper())
    if known is None or known == value.upper():
        return ""
    if value == known:
        return "camelCase"
    return "PascalCase" if value == known[0].upper() + known[1:] else "Another spelling"


def _fields(fields: Mapping[str, set[str]]) -> str:
    return ", ".join(f"{field} ({listed(sorted(values))})" for field, values in sorted(fields.items()))
