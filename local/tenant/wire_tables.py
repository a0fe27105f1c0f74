"""The JSON of tables: their metadata, rows, the requests for their partitions, results of writing, and OData errors.

Every key that Microsoft's client models know is there, null where the tenant has nothing to say.
"""

from collections.abc import Sequence

from local.tenant.model import Instance
from local.tenant.tables import STRING, Partition, Table
from local.tenant.wire import Json, timestamp

_STORE = "https://ciprodweusu1.dfs.core.windows.net"


def entity_model(instance: Instance) -> Json:
    """Write an `IC360EntityModel`, the list of all tables."""
    return {
        "instanceId": instance.id,
        "dataflowId": None,
        "datasourceId": None,
        "dataflowType": None,
        "entities": [entity_item(table, instance) for table in instance.tables.values()],
    }


def entity_item(table: Table, instance: Instance) -> Json:
    """Write an `IEntityMetadata`; its qualified name is the one by which data is asked for."""
    source = table.source
    return {
        "name": table.name if source is None else table.name.removeprefix(f"{source.name}_"),
        "qualifiedEntityName": table.name,
        "dataSourceName": None if source is None else source.name,
        "dataflowType": None if source is None else source.kind,
        "shouldUseSparkSasAuth": False,
        "datasourceId": None if source is None else source.id,
        "entityType": table.entity_type,
        "attributes": [_attribute(column, edm_type) for column, edm_type in table.columns.items()],
        "keys": [[_attribute(column, table.columns[column]) for column in table.keys]] if table.keys else [],
        "relationships": [],
        "timestampAttribute": None,
        "incrementalAttribute": None,
        "semanticType": None,
        "refreshTime": timestamp(table.refreshed_at),
        "partitions": [_partition(each, table, instance) for each in table.partitions],
        "incrementalUpsertPartitions": [],
        "incrementalDeletePartitions": [],
        "fullPartitionsParquet": [],
        "incrementalUpsertPartitionsParquet": [],
        "incrementalDeletePartitionsParquet": [],
        "annotations": [],
    }


def rows_page(context: str, count: int, rows: Sequence[Json]) -> Json:
    """Write an `ODataEntityPayload`; `count` is how many rows match, on this page or not."""
    return {"@odata.context": context, "@odata.count": count, "value": list(rows)}


def single_row(context: str, row: Json) -> Json:
    """Write one row, as an object of its own."""
    return {"@odata.context": f"{context}/$entity", **row}


def partition_requests(uris: Sequence[str], headers: Json) -> Json:
    """Write the requests with which to fetch a table's partitions, as `proxy=true` answers them."""
    return {"httpRequests": [{"uri": uri, "headers": headers} for uri in uris]}


def created_result(location: str, row: Json) -> Json:
    """Write a `CreatedResult`."""
    return {
        "location": location,
        "value": row,
        "formatters": [],
        "contentTypes": [],
        "declaredType": None,
        "statusCode": 201,
    }


def odata_error(status: int, message: str, target: str | None) -> Json:
    """Write an `ODataError`."""
    return {
        "errorCode": str(status),
        "message": message,
        "target": target,
        "details": [],
        "innerError": None,
        "instanceAnnotations": [],
        "typeAnnotation": None,
    }


def _attribute(column: str, edm_type: str) -> Json:
    search: Json = {
        "isSearchable": edm_type == STRING,
        "isFilterable": True,
        "isFacetable": False,
        "isSortable": True,
        "facetSpecification": None,
    }
    return {
        "name": column,
        "friendlyName": column,
        "baseName": None,
        "dataType": edm_type,
        "semanticType": None,
        "searchProperties": search,
    }


def _partition(partition: Partition, table: Table, instance: Instance) -> Json:
    return {
        "name": partition.name,
        "location": f"{_STORE}/{instance.id}/{table.name}/{partition.name}.csv",
        "refreshTime": timestamp(table.refreshed_at),
        "fileFormatSettings": {"columnHeaders": table.header, "delimiter": ",", "quoteStyle": "QuoteStyle.Csv"},
        "isCIGenerated": table.source is None,
        "forceSasAuth": False,
        "hasHeader": table.header,
    }
