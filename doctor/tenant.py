"""Does a tenant answer each call the bridge makes, and is it as the bridge assumes?"""

from collections.abc import Sequence
from typing import Any, Final

from doctor.findings import Finding, fine, sentence, wrong
from doctor.probing import Api, Seen
from doctor.runs import check_feeds, check_jobs
from doctor.spellings import check_spellings
from doctor.tables import check_measure_table, check_tables
from doctor.values import check_measures, check_segments
from shared.insights import catalog_wire, paths, wire
from shared.insights.paths import Layouts, below, quoted
from shared.insights.reading import Reader

# What the bridge asks for.
_JOBS: Final = {"top": "20", "includeTasks": "true"}
_HISTORY: Final = {"includeHistoricStats": "true", "historicStatsDays": "2"}

_NO_WORKFLOW: Final = (
    "Check CUSTOMER_INSIGHTS_WORKFLOW. The workflow of an environment is called main, as far as is known: leave the "
    "setting out."
)
_NO_DATA_SOURCES: Final = "Report this: the API has moved its data sources."


def check_instance(api: Api, instance_id: str) -> list[Finding]:
    """Make each call the bridge makes of an instance, and look at the answers."""
    findings: list[Finding] = []

    def either(what: str, layouts: Layouts, tail: str, *readers: Reader[Any, Any], missing: str, **query: str) -> Seen:
        found = api.see_in_both(instance_id, layouts, tail, *readers, query=query)
        findings.extend(_layouts(what, layouts, found, missing))
        return found[0] if found[0].answers or not found[1].answers else found[1]

    def listing(what: str, path: str, *readers: Reader[Any, Any], **query: str) -> Seen:
        seen = api.see(below(instance_id, path), *readers, query=query)
        findings.extend(_answer(what, seen))
        return seen

    workflow = f"the workflow {api.workflow!r}"
    sources = either(
        "data sources", paths.DATA_SOURCES, "", wire.DATA_SOURCES, catalog_wire.DATA_SOURCES, missing=_NO_DATA_SOURCES
    )
    nodes = either(
        f"the status of {workflow}",
        paths.WORKFLOWS,
        api.of_workflow("status"),
        wire.NODES,
        catalog_wire.NODES,
        missing=_NO_WORKFLOW,
    )
    jobs = either(
        f"the jobs of {workflow}",
        paths.WORKFLOWS,
        api.of_workflow("jobs"),
        wire.JOBS,
        catalog_wire.JOBS,
        missing=_NO_WORKFLOW,
        **_JOBS,
    )
    if jobs.items:
        job = api.see(
            f"{jobs.path}/{quoted(jobs.items[0].id)}", catalog_wire.JOBS, query={"includeTasks": "true"}, one=True
        )
        findings += _answer("a single job", job)
    segments = listing("segments", "manage/segments", wire.SEGMENTS, catalog_wire.SEGMENTS)
    if segments.answers:
        listing("segments with their history", "manage/segments", wire.SEGMENTS, **_HISTORY)
    measures = listing("measures", "manage/measures", wire.MEASURES, catalog_wire.MEASURES)
    if measures.items:
        path = below(instance_id, "manage/measures", quoted(measures.items[0].name))
        findings += _answer("a measure with its history", api.see(path, wire.MEASURES, query=_HISTORY, one=True))
    tables, of_tables = check_tables(api, instance_id)
    findings += of_tables

    if jobs.answers:
        findings += check_jobs(jobs.items, jobs.document)
    if sources.answers:
        findings += check_feeds(sources.items, nodes.items, jobs.items)
    if segments.answers:
        findings += check_segments(segments.items)
    if measures.answers:
        findings += check_measures(measures.items, measures.document)
        findings.append(check_measure_table(api, instance_id, measures.items))
    documents = {
        "data sources": sources.document,
        "workflow nodes": nodes.document,
        "jobs": jobs.document,
        "segments": segments.document,
        "measures": measures.document,
        "tables": tables,
    }
    return findings + check_spellings(documents)


def _answer(what: str, seen: Seen) -> list[Finding]:
    if seen.error is not None:
        return [wrong(sentence(f"{what}: {seen.error}"))]
    return [fine(sentence(f"{what}: {_count(seen)}")), *seen.omissions()]


def _count(seen: Seen) -> str:
    return f"{len(seen.items)} can be read" if isinstance(seen.document, list) else "can be read"


def _layouts(what: str, layouts: Layouts, found: Sequence[Seen], missing: str) -> list[Finding]:
    """Tell which of two layouts answers, and whether the bridge would find it."""
    first, second = found
    if first.answers:
        other = "answers, too" if second.answers else "does not exist" if second.is_missing else "gives an error"
        text = f"{what}: {layouts[0]} answers, {_count(first)}; {layouts[1]} {other}"
        return [fine(sentence(text)), *first.omissions()]
    if not second.answers:
        if first.is_missing and second.is_missing:
            return [wrong(sentence(f"{what}: neither {layouts[0]} nor {layouts[1]} exists"), missing)]
        error = second.error if first.is_missing else first.error
        return [wrong(sentence(f"{what}: {error}"))]
    if first.is_missing:
        text = f"{what}: {layouts[1]} answers, {_count(second)}; {layouts[0]} does not exist"
        return [fine(sentence(text)), *second.omissions()]
    return [
        wrong(
            sentence(f"{what}: {layouts[1]} would answer, but {layouts[0]} does not say that it does not exist"),
            f"The bridge looks elsewhere only after a 404, so it does not get there. Report this: {first.error}",
        )
    ]
