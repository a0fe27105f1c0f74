"""How a connection signs in and to which host it goes: with the app's key alone, or with Entra ID and the key."""

from connector.icon import BRAND
from connector.schemas import Json

PUBLISHER = "Customer Insights Event Bridge"
AUTHORITY = "https://login.microsoftonline.com"
KEY_HEADER = "x-functions-key"
# Whoever imports the connector fills these in, see docs/sign-in.md: ids of their own, and no secrets. The registrations
# are for one tenant, and `common` would be refused.
TENANT = "00000000-0000-0000-0000-000000000000"
CLIENT_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE = "api://00000000-0000-0000-0000-000000000000"


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


def _policy(template: str, title: str, **parameters: str) -> Json:
    prefix = "x-ms-apimTemplate"
    named = {f"{prefix}Parameter.{name}": value for name, value in parameters.items()}
    return {
        "templateId": template,
        "title": title,
        "parameters": {**named, f"{prefix}-policySection": "Request"},
    }


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
    return _parameter("string", "Host", "The host of your bridge, for example bridge.azurewebsites.net.", tab)


def _key(tab: int) -> Json:
    return _parameter("securestring", "Function key", "A function key or the host key of your bridge.", tab)


TO_HOST = _policy(
    "dynamichosturl", "Go to the host of the connection", urlTemplate="https://@connectionParameters('host')"
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
    [
        TO_HOST,
        _policy(
            "setheader",
            "Send the function key",
            name=KEY_HEADER,
            value="@connectionParameters('functionKey')",
            existsAction="override",
        ),
    ],
)
ENTRA_SECURITY: Json = {
    "oauth2_auth": {
        "type": "oauth2",
        "flow": "accessCode",
        "authorizationUrl": f"{AUTHORITY}/{TENANT}/oauth2/authorize",
        "tokenUrl": f"{AUTHORITY}/{TENANT}/oauth2/token",
        "scopes": {},
    }
}
