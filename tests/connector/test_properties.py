"""How connections sign in and where they go, in the committed files."""

import re

from tests.connector.documents import FOLDER, definition, properties
from tests.connector.wording import is_good_description, is_good_summary

# What Microsoft's schema of apiProperties.json allows and requires of the templates in use (PowerPlatformConnectors,
# schemas/paconn-apiProperties.schema.json), and of the keys around them.
PARAMETER = "x-ms-apimTemplateParameter."
OF_ALL_TEMPLATES = {"x-ms-apimTemplate-operationName"}
SECTION = "x-ms-apimTemplate-policySection"
TEMPLATES = {
    "dynamichosturl": ({PARAMETER + "urlTemplate"}, set()),
    "setheader": ({PARAMETER + "name", PARAMETER + "value"}, {PARAMETER + "existsAction", SECTION}),
}
SECTIONS = {"Request", "Response", "Failure"}
KEYS = {
    "properties": {
        *{"iconBrandColor", "publisher", "stackOwner", "capabilities"},
        *{"connectionParameters", "policyTemplateInstances"},
    },
    "parameter": {"type", "allowedValues", "defaultValue", "uiDefinition", "oAuthSettings"},
    "shown": {"displayName", "description", "tooltip", "tabIndex", "constraints"},
    "constraints": {"clearText", "required", "tabIndex", "capability", "hidden", "allowedValues", "dependencies"},
    "custom": {"resourceUri", "loginUri", "tenantId"},
}


def test_files_are_indented_by_four(variant: str) -> None:
    for name in ("apiDefinition.swagger.json", "apiProperties.json"):
        text = (FOLDER / variant / name).read_text("utf-8")
        depths = {len(line) - len(line.lstrip(" ")) for line in text.splitlines()}
        assert {depth % 4 for depth in depths} == {0}
        assert 4 in depths


def test_brand_colour(variant: str) -> None:
    colour = properties(variant)["iconBrandColor"]
    assert re.fullmatch(r"#[0-9a-f]{6}", colour)
    assert colour not in {"#007ee5", "#ffffff"}


def test_each_connection_names_its_host(variant: str) -> None:
    found = properties(variant)
    assert found["connectionParameters"]["host"]["type"] == "string"
    (to_host,) = (one for one in found["policyTemplateInstances"] if one["templateId"] == "dynamichosturl")
    template = to_host["parameters"]["x-ms-apimTemplateParameter.urlTemplate"]
    assert template == "https://@connectionParameters('host')"


def test_each_policy_has_the_parameters_of_its_template_and_no_others(variant: str) -> None:
    policies = properties(variant)["policyTemplateInstances"]
    assert policies
    for policy in policies:
        assert set(policy) == {"templateId", "title", "parameters"}
        required, optional = TEMPLATES[policy["templateId"]]
        assert required <= set(policy["parameters"]) <= required | optional | OF_ALL_TEMPLATES, policy["title"]
        assert {policy["parameters"].get(SECTION, "Request")} <= SECTIONS


def test_no_other_key_is_used_than_microsoft_s_schema_knows(variant: str) -> None:
    found = properties(variant)
    assert set(found) <= KEYS["properties"]
    for name, parameter in found["connectionParameters"].items():
        assert re.fullmatch("[0-9a-zA-Z_]+", name)
        assert set(parameter) <= KEYS["parameter"]
        shown = parameter.get("uiDefinition", {})
        assert set(shown) <= KEYS["shown"]
        assert set(shown.get("constraints", {})) <= KEYS["constraints"]
        assert set(parameter.get("oAuthSettings", {}).get("customParameters", {})) <= KEYS["custom"]


def test_the_key_is_sent_in_the_header_that_the_host_reads() -> None:
    document, found = definition(), properties()
    assert document["securityDefinitions"] == {"api_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}}
    assert document["security"] == [{"api_key": []}]
    assert found["connectionParameters"]["api_key"]["type"] == "securestring"


def test_entra_signs_in_and_sends_the_key_as_well() -> None:
    document, found = definition("entra/"), properties("entra/")
    assert [one["type"] for one in document["securityDefinitions"].values()] == ["oauth2"]
    connection = found["connectionParameters"]
    setting = connection["token"]["oAuthSettings"]
    assert (connection["token"]["type"], setting["identityProvider"]) == ("oauthSetting", "aad")
    resource = setting["customParameters"]["resourceUri"]["value"]
    assert resource == setting["properties"]["AzureActiveDirectoryResourceId"]
    assert re.fullmatch(r"api://[0-9a-f-]{36}", resource)
    # The tokens' issuer is one tenant, for which the registrations are; Entra refuses them at `common`.
    assert re.fullmatch(r"[0-9a-f-]{36}", setting["customParameters"]["tenantId"]["value"])
    assert connection["functionKey"]["type"] == "securestring"
    (header,) = (one["parameters"] for one in found["policyTemplateInstances"] if one["templateId"] == "setheader")
    assert header["x-ms-apimTemplateParameter.name"] == "x-functions-key"
    assert header["x-ms-apimTemplateParameter.value"] == "@connectionParameters('functionKey')"


def test_no_file_holds_a_secret(variant: str) -> None:
    text = "".join(
        (FOLDER / variant / name).read_text("utf-8") for name in ("apiDefinition.swagger.json", "apiProperties.json")
    )
    assert not re.search(r"client_?secret|sig=|password|[?&]code=|AccountKey", text, re.IGNORECASE)
    # Keys of Functions and client secrets are long runs of such characters; ids of nobody are all zeros.
    runs = [run for run in re.findall(r"[A-Za-z0-9+/_=~.-]{32,}", text) if re.search(r"\d", run) and "/" not in run]
    assert {run for run in runs if set(run) - set("0-")} == set()


def test_every_field_of_a_connection_is_explained(variant: str) -> None:
    for name, one in properties(variant)["connectionParameters"].items():
        if name != "token":
            shown = one["uiDefinition"]
            assert is_good_summary(shown["displayName"])
            assert is_good_description(shown["description"])
