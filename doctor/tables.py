"""What do tables look like: their names, the data types of their columns and keys, their rows and files?

Rows are counted and never shown, nor is the address of a file, which may hold a signature.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from doctor.findings import Finding, fine, listed, sentence, unseen, wrong
from doctor.probing import Api, Json, Seen, values_at
from shared.domain.resources import Measure
from shared.domain.rows import json_type
from shared.insights import catalog_wire
from shared.insights.paths import below, quoted

_TEXTS = {"string", "text"}
_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")


def check_tables(api: Api, instance_id: str) -> tuple[Json, list[Finding]]:
    """Look at the list of tables, and at one of them closely; gives the document that lists them, too."""
    seen = api.see(below(instance_id, "manage/entities"), catalog_wire.TABLES, one=True)
    if seen.error is not None:
        return None, [wrong(sentence(str(seen.error)), "The catalog of tables, and their rows, are not available.")]
    tables = [table for tables in seen.items for table in tables]
    findings = [fine(f"manage/entities answers with {len(tables)} tables."), *seen.omissions(), *_types(seen.document)]
    # The most telling one: of a data source, where its two names differ.
    tables.sort(key=lambda table: table.qualified_entity_name in {None, table.name})
    if tables:
        findings += _one_table(api, instance_id, tables[0])
    return seen.document, findings


def check_measure_table(api: Api, instance_id: str, measures: Sequence[Measure]) -> Finding:
    """Look whether the table of a measure with dimensions bears its name, and columns named as the bridge takes it."""
    measure = next((one for one in measures if one.dimensions), None)
    if measure is None:
        return unseen("The table of a measure with dimensions is not seen: there is no such measure.")
    seen = api.see(below(instance_id, "data", quoted(measure.name)), query={"$top": "1", "$skip": "0"})
    if seen.error is not None:
        return wrong(
            sentence(f"The table of a measure with dimensions: {seen.error}"), "Report this: no flow can watch it."
        )
    columns = {name for row in values_at(seen.document, "value") if isinstance(row, dict) for name in row}
    missing = sorted({*measure.dimensions, *measure.aggregates} - columns)
    if columns and missing:
        text = f"The table of a measure with dimensions has no column for {listed(missing)}."
        return wrong(text, "Report this: the bridge looks for columns of these names.")
    return fine("The table of a measure with dimensions bears its name, and columns named as its definition has them.")


def _types(document: Json) -> list[Finding]:
    seen = {str(value) for value in values_at(document, "entities", "attributes", "dataType")}
    known = sorted(name for name in seen if _is_known(name))
    unknown = sorted(seen - set(known))
    findings = [fine(f"Data types of columns: {listed(known, 30)}.")] if known else []
    if unknown:
        do = "Report them if they are numbers, times or truth values."
        findings.append(unseen(f"Data types that the bridge takes for text: {listed(unknown, 30)}.", do))
    if not seen:
        findings.append(unseen("No column tells its data type; all are taken for text."))
    keys = {str(value) for value in values_at(document, "entities", "keys", "dataType")}
    odd = sorted(name for name in keys if json_type(name)[0] != "string")
    if odd:
        do = "The bridge addresses every row by text in quotes. Report this if it does not find rows by such a key."
        findings.append(unseen(f"Keys of tables that are no text: {listed(odd)}.", do))
    elif keys:
        findings.append(fine(f"Keys of tables are text: {listed(sorted(keys))}."))
    return findings


def _is_known(data_type: str) -> bool:
    """Whether the bridge knows the type, and does not just take it for text."""
    return json_type(data_type) != ("string", None) or data_type.rpartition(".")[2].lower() in _TEXTS


def _one_table(api: Api, instance_id: str, table: catalog_wire.EntityMetadata) -> list[Finding]:
    findings = []
    names = {"name": table.name, "qualifiedEntityName": table.qualified_entity_name or table.name}
    by_name = {
        what: api.see(below(instance_id, "manage/entities", quoted(name)), catalog_wire.TABLE, one=True)
        for what, name in names.items()
    }
    answering = [what for what, seen in by_name.items() if seen.answers]
    if answering:
        same = names["name"] == names["qualifiedEntityName"]
        which = "its only name" if same else " and by ".join(answering)
        findings.append(fine(f"manage/entities/{{table}} finds a table by {which}."))
        findings += by_name[answering[0]].omissions()
    else:
        findings.append(wrong(sentence(str(next(iter(by_name.values())).error))))
    path = below(instance_id, "data", quoted(names["qualifiedEntityName"]))
    rows = api.see(path, query={"$top": "1", "$skip": "0"})
    findings.append(_rows(rows))
    files = api.see(path, query={"$select": "*", "proxy": "true"})
    findings.append(_files(files, len(table.partitions or ()), api.host))
    return findings


def _rows(seen: Seen) -> Finding:
    if seen.error is not None:
        return wrong(sentence(str(seen.error)), "Rows cannot be read. The message says what the API wants.")
    rows = seen.document.get("value") if isinstance(seen.document, dict) else None
    if not isinstance(rows, list):
        return wrong("data/{table} answers with no list of rows.", "Report this.")
    return fine(f"data/{{table}} answers with rows; asked for one, it gives {len(rows)}.")


def _files(seen: Seen, partitions: int, api_host: str) -> Finding:
    if seen.error is not None:
        return unseen(sentence(str(seen.error)), "Partitions cannot be read; tables can.")
    addresses = [str(uri) for uri in values_at(seen.document, "httpRequests", "uri")]
    if not addresses:
        return fine("Asked for files, data/{table} gives rows; a table of one partition is read from these.")
    hosts = sorted({_host(address) for address in addresses})
    text = f"Asked for files, data/{{table}} names {len(addresses)} for {partitions} partitions, on {listed(hosts)}"
    if all(host == api_host or host.endswith(_HOSTS) for host in hosts):
        return fine(f"{text}.")
    return unseen(f"{text}.", "The bridge fetches files from Azure Storage and the API's own host only. Report others.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or "no host"
    except ValueError:
        return "no host"
