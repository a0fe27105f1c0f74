"""What docs/sign-in.md has typed registers what templates and connector expect: run with tools that write it down."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from connector.files import placeholders
from connector.placeholders import given_in
from tests.infra.deployment import SITE, Deployment
from tests.infra.pages import blocks, page
from tests.infra.test_deploy_page import variables
from tests.test_docs import code_spans

PAGE = page("sign-in.md")
TENANT, API, CONNECTOR = (f"{number}0000000-0000-0000-0000-000000000000" for number in (1, 2, 3))
CLAIMS = {"ver": "2.0", "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "aud": API, "azp": CONNECTOR}
BODY = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=")
# What the tools answer, by words of the call.
ANSWERS = {
    "account show": TENANT,
    "ad app create --display-name Event Bridge --sign": API,
    "ad app create --display-name Event Bridge connector --sign": CONNECTOR,
    "ad app credential reset": "the-secret",
    "env get-value BRIDGE_URL": "https://bridge.example.com",
    "/oauth2/v2.0/token": json.dumps({"access_token": f"e30.{BODY}.x"}),
}
TOOL = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    print(json.dumps([{name!r}, *sys.argv[1:]]), file=log)
print(next((answer for words, answer in {answers!r}.items() if words in " ".join(sys.argv[1:])), ""))
"""


@dataclass(frozen=True)
class Typed:
    """What came of typing all commands of the page."""

    calls: Sequence[Sequence[str]]
    printed: str

    def of(self, *words: str) -> list[Sequence[str]]:
        """The calls that begin with these words."""
        return [call for call in self.calls if list(call[: len(words)]) == list(words)]

    def option(self, name: str, *words: str) -> str:
        """The value of an option in the only call that begins with these words."""
        [call] = self.of(*words)
        return call[call.index(name) + 1]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    folder = tmp_path_factory.mktemp("tools")
    log = folder / "calls"
    for name in ("az", "azd", "curl", "make"):
        tool = folder / name
        tool.write_text(TOOL.format(python=sys.executable, log=str(log), name=name, answers=ANSWERS))
        tool.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - what the page shows, with our own tools
        ["/bin/bash", "-euo", "pipefail", "-c", "\n".join(blocks(PAGE))],
        env={"PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Typed([json.loads(line) for line in log.read_text().splitlines()], done.stdout)


def test_registration_asks_for_the_tokens_that_the_deployment_takes(typed: Typed, full: Deployment) -> None:
    registered = json.loads(typed.option("--body", "az", "rest"))["api"]
    assert f"applications(appId='{API}')" in typed.option("--url", "az", "rest")
    issuer = full.properties(f"{SITE}/config")["identityProviders"]["azureActiveDirectory"]["registration"][
        "openIdIssuer"
    ]
    [version] = re.findall(r"/v(\d)\.0'", issuer)
    assert registered["requestedAccessTokenVersion"] == int(version)
    [scope] = registered["oauth2PermissionScopes"]
    assert UUID(scope["id"]).version == 4
    assert (scope["type"], scope["isEnabled"]) == ("User", True)
    assert typed.option("--api-permissions", "az", "ad", "app", "permission", "add") == f"{scope['id']}=Scope"
    assert typed.option("--scope", "az", "ad", "app", "permission", "grant") == scope["value"]


def test_both_apps_are_of_one_tenant_and_can_be_signed_in_to(typed: Typed) -> None:
    created = typed.of("az", "ad", "app", "create")
    assert [call[call.index("--sign-in-audience") + 1] for call in created] == ["AzureADMyOrg"] * 2
    assert [call[call.index("--id") + 1] for call in typed.of("az", "ad", "sp", "create")] == [API, CONNECTOR]


def test_bridge_has_the_address_that_the_connector_names(typed: Typed) -> None:
    [bridge] = [call for call in typed.of("az", "ad", "app", "update") if "--identifier-uris" in call]
    assert bridge[bridge.index("--identifier-uris") + 1] == f"api://{API}"
    [made] = typed.of("make", "connector")
    given = dict(value.split("=", 1) for value in made[2:])
    assert given == {"TENANT_ID": TENANT, "CLIENT_ID": CONNECTOR, "RESOURCE_URI": f"api://{API}"}
    assert given_in(given, placeholders()) == given


def test_options_that_are_set_exist_and_are_the_registrations(typed: Typed) -> None:
    given = {call[3]: call[4] for call in typed.of("azd", "env", "set")}
    assert given == {"SIGN_IN_CLIENT_ID": API, "SIGN_IN_ALLOWED_CLIENT_IDS": CONNECTOR}
    assert set(given) <= set(variables())
    assert code_spans(PAGE) >= set(given)


def test_token_that_is_tried_shows_the_claims_that_the_page_explains(typed: Typed) -> None:
    for name, value in CLAIMS.items():
        assert f"{name} = {value}\n" in typed.printed
        assert f"| `{name}` | " in PAGE
    [asked] = [call for call in typed.of("curl") if "/oauth2/v2.0/token" in " ".join(call)]
    assert f"scope=api://{API}/.default" in asked
    [tried] = [call for call in typed.of("curl") if "Authorization: Bearer " in " ".join(call)]
    assert "https://bridge.example.com/api/subscriptions" in tried


def test_no_answer_of_the_tools_is_shown_that_is_a_secret(typed: Typed) -> None:
    assert "the-secret" not in typed.printed
