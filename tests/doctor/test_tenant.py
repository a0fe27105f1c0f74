"""The doctor on tenants that refuse, fail, or are not as the bridge assumes: it says so, and what to do."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from doctor.access import check_token
from doctor.findings import Verdict
from doctor.probing import Api
from doctor.tenant import check_instance
from shared.insights.auth import FixedToken
from shared.settings import Settings
from tests.doctor.conftest import Patient

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = "2026-11-20T0{hour}:00:00Z"


# -- access


async def test_a_wrong_subscription_key(patient: Patient) -> None:
    told = await patient.examine(CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY="another-s3cret-key")
    assert (told.code, told.lines("wrong")) == (1, ["The API refuses the subscription key (401)."])
    assert "Copy CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY anew" in told.text
    assert "another-s3cret-key" not in told.text


async def test_a_wrong_token(patient: Patient) -> None:
    told = await patient.examine(CUSTOMER_INSIGHTS_ACCESS_TOKEN="another-s3cret-token")
    assert (told.code, told.lines("wrong")) == (1, ["The API refuses the token (401)."])
    assert "another-s3cret-token" not in told.text


async def test_an_endpoint_that_is_none(patient: Patient) -> None:
    told = await patient.examine(CUSTOMER_INSIGHTS_ENDPOINT=patient.settings["CUSTOMER_INSIGHTS_ENDPOINT"] + "/more")
    assert told.lines("wrong") == ["At CUSTOMER_INSIGHTS_ENDPOINT is no list of instances (404)."]


async def test_an_instance_that_is_not_listed(patient: Patient) -> None:
    told = await patient.examine(CUSTOMER_INSIGHTS_INSTANCES=f"{patient.world.instance.id},nobody")
    assert told.lines("wrong") == ["CUSTOMER_INSIGHTS_INSTANCES names what the API does not list: nobody."]
    assert "Customer Insights: Contoso Retail" in told.text


async def test_an_identity_that_sees_no_instance(patient: Patient) -> None:
    patient.answer_instead("^/instances$", [])
    told = await patient.examine()
    assert told.lines("wrong") == ["The bridge's identity sees no instance."]


async def test_of_many_instances_the_first_are_looked_at(patient: Patient) -> None:
    for number in range(6):
        patient.world.tenant.add_instance(f"Number {number}", patient.world.instance.audit.created_at)
    told = await patient.examine()
    assert told.text.count("manage/entities answers") == 5
    assert "Only the first 5 are looked at, 2 more are not." in told.lines("open")


def jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"


@pytest.mark.parametrize(("roles", "opens"), [(["api.access"], 0), ([], 1), (["Other"], 1)])
async def test_whose_token_it_is_and_what_it_permits(patient: Patient, roles: list[str], opens: int) -> None:
    guid = "11111111-2222-3333-4444-555555555555"
    registration = {f"CUSTOMER_INSIGHTS_{name}": guid for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")}
    settings = Settings.load({**patient.settings, "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "", **registration})
    token = jwt(appid="11111111-app", roles=roles)
    findings = await check_token(settings, FixedToken(token))
    assert "for the app 11111111-app" in findings[0].what
    assert sum(finding.verdict is Verdict.OPEN for finding in findings) == opens
    assert token not in str(findings)


async def test_a_token_that_has_expired(patient: Patient) -> None:
    token = jwt(exp=1_700_000_000)
    told = await patient.examine(CUSTOMER_INSIGHTS_ACCESS_TOKEN=token)
    assert told.lines("wrong") == ["The token expired at 2023-11-14 22:13 UTC."]
    assert token not in told.text


# -- calls


async def test_a_workflow_that_is_not_known(patient: Patient) -> None:
    told = await patient.examine(CUSTOMER_INSIGHTS_WORKFLOW="night")
    assert told.code == 1
    assert told.lines("wrong") == [
        "The status of the workflow 'night': neither workflows nor manage/workflows exists.",
        "The jobs of the workflow 'night': neither workflows nor manage/workflows exists.",
    ]
    assert "Check CUSTOMER_INSIGHTS_WORKFLOW." in told.text


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, "the bridge's identity may not do this; give it a role"),
        (404, "it does not exist"),
        (500, "the next attempt may succeed"),
    ],
)
async def test_a_call_that_fails_holds_up_no_other(patient: Patient, status: int, expected: str) -> None:
    patient.api.faults.add("manage/segments", times=100, status=status)
    told = await patient.examine()
    [line] = told.lines("wrong")
    assert line.startswith("Segments: ")
    assert f"with {status}" in line
    assert expected in line
    assert "Measures: 4 can be read." in told.lines("fine")


async def test_a_tenant_that_does_not_answer_in_time(patient: Patient) -> None:
    patient.api.faults.add("manage/measures$", times=100, delay=2)
    settings = Settings.load(patient.settings)
    api = Api.open(settings, FixedToken(str(settings.insights_access_token)), patience=timedelta(seconds=1))
    findings = await asyncio.to_thread(check_instance, api, patient.world.instance.id)
    api.calls.close()
    [line] = [finding.what for finding in findings if finding.verdict is Verdict.WRONG]
    assert line.startswith("Measures: Customer Insights did not answer GET")


async def test_a_path_that_hides_the_other_one(patient: Patient) -> None:
    patient.api.faults.add("manage/datasources$", times=100, status=403)
    patient.answer_instead("manage/datasources/v2$", [])
    told = await patient.examine()
    [line] = told.lines("wrong")
    assert "manage/datasources/v2 would answer, but manage/datasources does not say that it does not exist" in line


async def test_an_item_that_cannot_be_read(patient: Patient) -> None:
    patient.world.instance.stray["datasources"] = [{"dataSourceId": "odd-one", "lastRefresh": "s3cret-value"}]
    told = await patient.examine()
    assert told.code == 1
    [line] = told.lines("wrong")
    assert line.startswith("Unreadable, data source 'odd-one': lastRefresh")
    assert "s3cret-value" not in told.text


async def test_a_secret_that_the_api_repeats_is_not_shown(patient: Patient) -> None:
    said = {"message": " ".join(["You sent", *patient.known_secrets])}
    patient.api.faults.add("manage/measures", times=100, status=400, body=json.dumps(said).encode())
    told = await patient.examine()
    assert "You sent" in told.text
    assert [secret for secret in patient.known_secrets - {"s3cret-signature"} if secret in told.text] == []


# -- assumptions


def job(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {
        "jobId": f"job-{number}",
        "jobStatus": "Successful",
        "jobType": "Full",
        "submittedTimestamp": DAY.format(hour=number),
        "endTimestamp": DAY.format(hour=number + 1),
        "tasks": [
            {"operationType": kind, "taskStatus": "Successful"} for kind in ("Ingestion", "Map", "Match", "Merge")
        ],
        **fields,
    }


async def test_how_full_refreshes_show_themselves(patient: Patient) -> None:
    patient.answer_instead(
        "workflows/main/jobs$",
        [
            job(5, operationType="Ingestion", jobSubmissionKind="OnDemand", tasks=[]),
            job(4, operationType="All", jobSubmissionKind="OnDemand"),
            job(3, operationType="None", jobSubmissionKind="Scheduled"),
        ],
    )
    patient.answer_instead("workflows/main/jobs/job-5$", job(5))
    told = await patient.examine()
    [line] = told.lines("wrong")
    assert line == (
        "No scheduled full refresh shows itself as operationType all, but this job has the tasks of one: operationType "
        "None, jobSubmissionKind Scheduled, jobType Full, jobStatus Successful, with endTimestamp; tasks: 1 ingestion, "
        "1 map, 1 match, 1 merge."
    )
    assert (
        "The latest on-demand full refresh: operationType All, jobSubmissionKind OnDemand, jobType Full, jobStatus "
        "Successful, with endTimestamp; tasks: 1 ingestion, 1 map, 1 match, 1 merge."
    ) in told.lines("fine")
    [spelling] = [line for line in told.lines("fine") if line.startswith("Spelling in jobs")]
    assert "jobStatus (Successful), jobSubmissionKind (OnDemand, Scheduled), jobType (Full)" in spelling
    assert spelling.endswith("in PascalCase.")


async def test_jobs_that_come_in_another_order_and_without_tasks(patient: Patient) -> None:
    kind = {"operationType": "all", "jobSubmissionKind": "scheduled", "tasks": None}
    patient.answer_instead("workflows/main/jobs$", [job(3, **kind), job(4, **kind)])
    patient.answer_instead("workflows/main/jobs/job-3$", job(3))
    told = await patient.examine()
    assert told.lines("wrong") == [
        "The API does not list the newest jobs first.",
        "No job shows its tasks, although they are asked for.",
    ]


async def test_values_that_are_new(patient: Patient) -> None:
    patient.world.instance.stray["status"] = [
        {"operationType": "ingestion", "identifier": "x", "taskStatus": "completedWithWarnings"}
    ]
    told = await patient.examine()
    assert told.code == 0
    assert "Values in workflow nodes that the bridge does not know: taskStatus (completedWithWarnings)." in told.lines(
        "open"
    )


async def test_what_the_keys_of_a_measure_s_output_are(patient: Patient) -> None:
    definition = {"isScalar": True, "aggregates": [{"alias": "Sum1", "displayName": "Sum of sales"}]}
    outputs: dict[str, dict[str, str]] = {
        "One": {"Sum1": "5"},
        "Two": {"Sum of sales": "5"},
        "Three": {"Measure": "5"},
        "Torn": {"Sum1": "5", "Count": "7"},
    }
    patient.answer_instead(
        "manage/measures$",
        [{"name": name, "definition": definition, "output": {"values": values}} for name, values in outputs.items()],
    )
    patient.answer_instead("manage/measures/", {"name": "One"})
    told = await patient.examine()
    assert told.lines("wrong") == ["The bridge finds no value, or more than one, in output.values of: Torn."]
    assert (
        "The keys of output.values are: the calculation's alias (2), no name of its own (2), the calculation's "
        "displayName (1). They are: Count, Measure, Sum of sales, Sum1."
    ) in told.lines("fine")


async def test_tables_whose_data_types_are_not_known(patient: Patient) -> None:
    names = ("String", "Edm.Int64", "Currency", "System.Text")
    attributes = [{"name": name, "dataType": name} for name in names]
    table = {"name": "T", "attributes": attributes, "keys": [[{"name": "K", "dataType": "Edm.Int64"}]]}
    patient.answer_instead("manage/entities$", {"entities": [table]})
    patient.answer_instead("manage/entities/T$", table)
    patient.answer_instead("data/T$", {"value": [{"K": 7}]})
    told = await patient.examine()
    assert told.code == 0, told.text
    assert "Data types of columns: Edm.Int64, String, System.Text." in told.lines("fine")
    assert "Data types that the bridge takes for text: Currency." in told.lines("open")
    assert "Keys of tables that are no text: Edm.Int64." in told.lines("open")
    assert "manage/entities/{table} finds a table by its only name." in told.lines("fine")
    assert "Asked for files, data/{table} gives rows; a table of one partition is read from these." in told.lines(
        "fine"
    )


async def test_tables_that_are_not_offered(patient: Patient) -> None:
    patient.api.faults.add("manage/entities", times=100, status=404)
    told = await patient.examine()
    [line] = told.lines("wrong")
    assert "manage/entities with 404" in line


@pytest.mark.parametrize(("host", "verdict"), [("lake.dfs.core.windows.net", "fine"), ("files.example.net", "open")])
async def test_where_files_are_without_their_signatures(patient: Patient, host: str, verdict: str) -> None:
    uri = f"https://{host}/t/part-0.csv?sig=s3cret-signature"
    for table in patient.world.instance.tables.values():
        for partition in table.partitions:
            partition.uri = uri
    told = await patient.examine()
    [line] = [line for line in told.lines(verdict) if line.startswith("Asked for files")]
    assert line.endswith(f"on {host}.")
    assert "s3cret-signature" not in told.text


async def test_a_refresh_that_its_feeds_tell_at_different_times(patient: Patient) -> None:
    source = next(iter(patient.world.instance.data_sources.values()))
    assert source.last_refresh is not None
    source.last_refresh += timedelta(minutes=7)
    told = await patient.examine()
    [line] = [line for line in told.lines("open") if line.startswith("The latest refresh")]
    assert "differs by at most 420 seconds" in line


async def test_data_sources_that_nothing_else_names(patient: Patient) -> None:
    patient.answer_instead("workflows/main/status$", [])
    patient.answer_instead("workflows/main/jobs$", [])
    told = await patient.examine()
    assert (
        "Of 5 data sources, 0 have a workflow node by their id, and 0 an ingestion task by their name among the latest "
        "jobs."
    ) in told.lines("open")
