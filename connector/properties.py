"""How a connection signs in and to which host it goes: with the app's key alone, or with Entra ID and the key."""

import re

from connector.icon import BRAND
from connector.placeholders import Placeholder, words_of
from connector.schemas import Json

PUBLISHER = words_of("PUBLISHER_NAME", "Customer Insights Event Bridge")
AUTHORITY = "https://login.microsoftonline.com"
KEY_HEADER = "x-functions-key"
_ID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# The publisher's tenant and app registrations, which docs/sign-in.md makes: the connector's and the bridge's. Ids, and
# no secrets. Both are for that tenant alone, and Entra refuses to sign in to such an app at `common`.
TENANT = Placeholder(
    "TENANT_ID",
    "00000000-0000-0000-0000-000000000000",
    re.compile(_ID),
    "the id of the tenant of both app registrations",
)
CLIENT_ID = Placeholder(
    "CLIENT_ID",
    "00000000-0000-0000-0000-000000000000",
    re.compile(_ID),
    "the client id of the connector's app registration",
)
RESOURCE = Placeholder(
    "RESOURCE_URI",
    "api://00000000-0000-0000-0000-000000000000",
    re.compile(rf"(api|https)://\S+|{_ID}"),
    "the application ID URI of the bridge's app registration",
)


def _parameter(kind: str, name: str, description: str, tab: int) -> Json:
    return {
        "type": kind,
        "uiDefinition": {
            "displayName": name,
            "description": description,
            "tooltip": description,
            "constraints": {"tabIndex": tab, "clearText": kind == "string", "required": "true"},
        },
    }


def _policy(template: str, title: str, *, section: str | None = None, **parameters: str) -> Json:
    named = {f"x-ms-apimTemplateParameter.{name}": value for name, value in parameters.items()}
    if section is not None:
        named["x-ms-apimTemplate-policySection"] = section
    return {"templateId": template, "title": title, "parameters": named}


def _properties(connection: Json, policies: list[Json]) -> Json:
    return {
        "properties": {
            "connectionParameters": connection,
            "iconBrandColor": BRAND,
            "capabilities": [],
            "publisher": PUBLISHER,
            "stackOwner": PUBLISHER,
            "policyTemplateInstances": policies,
        }
    }


def _host(tab: int) -> Json:
    text = "The host of your bridge, without https:// and without a path, for example bridge.azurewebsites.net."
    return _parameter("string", "Host", text, tab)


def _key(tab: int) -> Json:
    return _parameter("securestring", "Host key", "A host key of your bridge. A key of a single function fails.", tab)


# Microsoft's schema of apiProperties.json allows a section to the templates that set or convert, and none to this one,
# which can be about nothing but the request.
TO_HOST = _policy(
    "dynamichosturl", "Go to the host of the connection", urlTemplate="https://@connectionParameters('host')"
)
SEND_KEY = _policy(
    "setheader",
    "Send the host key",
    name=KEY_HEADER,
    value="@connectionParameters('functionKey')",
    existsAction="override",
    section="Request",
)

KEY = _properties({"host": _host(1), "api_key": _key(2)}, [TO_HOST])
KEY_SECURITY: Json = {"api_key": {"type": "apiKey", "in": "header", "name": KEY_HEADER}}

ENTRA = _properties(
    {
        "token": {
            "type": "oauthSetting",
            "oAuthSettings": {
                "identityProvider": "aad",
                "clientId": CLIENT_ID,
                "scopes": [],
                "redirectMode": "GlobalPerConnector",
                "properties": {
                    "IsFirstParty": "False",
                    "AzureActiveDirectoryResourceId": RESOURCE,
                    "IsOnbehalfofLoginSupported": False,
                },
                "customParameters": {
                    "loginUri": {"value": AUTHORITY},
                    "tenantId": {"value": TENANT},
                    "resourceUri": {"value": RESOURCE},
                },
            },
        },
        "host": _host(1),
        "functionKey": _key(2),
    },
    [TO_HOST, SEND_KEY],
)
# For readers only: where a connection signs in, its properties above say.
ENTRA_SECURITY: Json = {
    "oauth2_auth": {
        "type": "oauth2",
        "flow": "accessCode",
        "authorizationUrl": f"{AUTHORITY}/common/oauth2/authorize",
        "tokenUrl": f"{AUTHORITY}/common/oauth2/token",
        "scopes": {},
    }
}
