"""Settings: all that is wrong in one message, no secret in any, and the defaults that are documented."""

import base64
from datetime import timedelta

import pytest

from shared.errors import SettingsError
from shared.settings import APPLICATION_INSIGHTS, AZURE_MARKS, Settings, schedule

GUID = "11111111-2222-3333-4444-555555555555"
KEY = base64.b64encode(bytes(range(32))).decode()
STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=S3CRET==;EndpointSuffix=core.windows.net"
REQUIRED = {
    "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "S3CRET-subscription",
    "EVENT_GRID_TOPIC_ENDPOINT": "https://t.westeurope-1.eventgrid.azure.net/api/events",
    "AzureWebJobsStorage": STORAGE,
    "CALLBACK_ENCRYPTION_KEY": KEY,
}
IDENTITY = {key: value for key, value in REQUIRED.items() if key != "AzureWebJobsStorage"}


def problems(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        Settings.load(environment)
    return str(error.value)


def test_defaults_are_as_documented() -> None:
    settings = Settings.load(REQUIRED)
    assert settings.insights_endpoint == "https://api.ci.ai.dynamics.com/v1"
    assert settings.insights_scope == "https://api.ci.ai.microsoft.com/.default"
    assert settings.instances == ()
    assert settings.workflow == "main"
    assert settings.callback_hosts == ("*.logic.azure.com", "*.api.powerplatform.com")
    assert not settings.callback_allow_insecure
    assert settings.callback_timeout == timedelta(seconds=30)
    assert settings.retry_seconds == (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200)
    assert settings.max_age == timedelta(hours=76)
    assert settings.rate_per_second == 15
    assert settings.retention == timedelta(days=30)
    assert settings.callback_key == bytes(range(32))
    assert (settings.app_registration, settings.insights_access_token) == (None, None)
    assert (settings.topic_key, settings.callback_key_previous) == (None, None)


def test_all_that_is_missing_is_named_at_once() -> None:
    message = problems({})
    assert all(name in message for name in REQUIRED)


def test_all_that_is_malformed_is_named_at_once_and_no_value_is_shown() -> None:
    wrong = {
        "CUSTOMER_INSIGHTS_ENDPOINT": "S3CRET",
        "CUSTOMER_INSIGHTS_INSTANCES": "*,S3CRET",
        "EVENT_GRID_TOPIC_ENDPOINT": "S3CRET",
        "AzureWebJobsStorage": "S3CRET",
        "POLL_REFRESHES_SCHEDULE": "S3CRET",
        "POLL_THRESHOLDS_SCHEDULE": "* * * * *",
        "CALLBACK_ALLOWED_HOSTS": "https://S3CRET/",
        "CALLBACK_ALLOW_INSECURE": "S3CRET",
        "CALLBACK_ENCRYPTION_KEY": "S3CRET",
        "CALLBACK_ENCRYPTION_KEY_PREVIOUS": "UzNDUkVU",
        "CALLBACK_TIMEOUT_SECONDS": "0",
        "DELIVERY_RETRY_SECONDS": "10,S3CRET",
        "DELIVERY_MAX_AGE_HOURS": "-1",
        "DELIVERY_RATE_PER_SECOND": "1.5",
        "EVENT_RETENTION_DAYS": "nan",
        "CUSTOMER_INSIGHTS_CLIENT_SECRET": "S3CRET",
    }
    message = problems(wrong)
    missing = {"CUSTOMER_INSIGHTS_TENANT_ID", "CUSTOMER_INSIGHTS_CLIENT_ID", "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY"}
    named = (set(wrong) | missing) - {"CUSTOMER_INSIGHTS_CLIENT_SECRET"}
    assert [name for name in named if name not in message] == []
    assert "S3CRET" not in message
    assert "UzNDUkVU" not in message


def test_no_secret_is_shown() -> None:
    secrets = {
        "CUSTOMER_INSIGHTS_TENANT_ID": GUID,
        "CUSTOMER_INSIGHTS_CLIENT_ID": GUID,
        "CUSTOMER_INSIGHTS_CLIENT_SECRET": "S3CRET-client",
        "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "S3CRET-token",
        "EVENT_GRID_TOPIC_KEY": "S3CRET-topic",
        "CALLBACK_ENCRYPTION_KEY_PREVIOUS": KEY,
    }
    settings = Settings.load({**REQUIRED, **secrets})
    assert "S3CRET" not in repr(settings)
    assert repr(bytes(range(32))) not in repr(settings)
    assert settings.app_registration is not None
    assert settings.app_registration.client_secret == "S3CRET-client"


@pytest.mark.parametrize(
    ("name", "value"), [("CALLBACK_ALLOW_INSECURE", "true"), ("CUSTOMER_INSIGHTS_ACCESS_TOKEN", "S3CRET")]
)
def test_what_is_for_the_local_stack_is_refused_in_azure(name: str, value: str) -> None:
    local = {**REQUIRED, name: value}
    Settings.load(local)
    for mark in AZURE_MARKS:
        message = problems({**local, mark: "x"})
        assert name in message
        assert "S3CRET" not in message


def test_where_telemetry_goes_is_the_platform_s_to_say_and_no_secret_to_show() -> None:
    assert Settings.load(REQUIRED).application_insights is None
    settings = Settings.load({**REQUIRED, APPLICATION_INSIGHTS: "InstrumentationKey=S3CRET"})
    assert settings.application_insights == "InstrumentationKey=S3CRET"
    assert "S3CRET" not in repr(settings)


def test_an_empty_setting_counts_as_none() -> None:
    assert Settings.load({**REQUIRED, "CUSTOMER_INSIGHTS_WORKFLOW": " ", "EVENT_GRID_TOPIC_KEY": ""}).workflow == "main"
    assert "CALLBACK_ENCRYPTION_KEY" in problems({**REQUIRED, "CALLBACK_ENCRYPTION_KEY": ""})


def test_instances_are_a_list_or_all() -> None:
    assert Settings.load({**REQUIRED, "CUSTOMER_INSIGHTS_INSTANCES": " a, {B} ,"}).instances == ("a", "B")
    assert Settings.load({**REQUIRED, "CUSTOMER_INSIGHTS_INSTANCES": "*"}).instances == ()


def test_storage_by_identity_is_an_account_or_its_services() -> None:
    account = Settings.load(
        {**IDENTITY, "AzureWebJobsStorage__accountName": "acc", "AzureWebJobsStorage__clientId": GUID}
    )
    assert account.storage.connection_string is None
    assert account.storage.blob_url == "https://acc.blob.core.windows.net"
    assert account.storage.queue_url == "https://acc.queue.core.windows.net"
    assert account.storage.table_url == "https://acc.table.core.windows.net"
    assert account.storage.client_id == GUID
    urls = {
        f"AzureWebJobsStorage__{kind}ServiceUri": f"https://x.{kind}.example" for kind in ("blob", "queue", "table")
    }
    assert Settings.load({**IDENTITY, **urls}).storage.table_url == "https://x.table.example"
    del urls["AzureWebJobsStorage__tableServiceUri"]
    assert "AzureWebJobsStorage" in problems({**IDENTITY, **urls})


def test_a_schedule_is_a_reference_where_it_is_set_and_else_the_default() -> None:
    assert schedule("POLL_REFRESHES_SCHEDULE", {}) == "0 * * * * *"
    assert schedule("POLL_THRESHOLDS_SCHEDULE", {"POLL_THRESHOLDS_SCHEDULE": " "}) == "30 */5 * * * *"
    assert schedule("POLL_REFRESHES_SCHEDULE", {"POLL_REFRESHES_SCHEDULE": "x"}) == "%POLL_REFRESHES_SCHEDULE%"
