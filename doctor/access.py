"""Does the API let the bridge in? The token, the subscription key, and the instances that these open."""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from doctor.findings import Finding, fine, listed, sentence, unseen, wrong
from doctor.probing import Api, Seen
from shared.domain.resources import Instance
from shared.errors import AccessError, BridgeError
from shared.insights import catalog_wire, wire
from shared.insights.auth import TokenSource
from shared.settings import Settings

# The application permission of Customer Insights that Microsoft documents.
_PERMISSION = "api.access"


async def check_token(settings: Settings, tokens: TokenSource) -> list[Finding]:
    """Get a token and say whose it is."""
    try:
        token = await asyncio.to_thread(tokens.token)
    except BridgeError as error:
        do = "The code begins with AADSTS where Entra gave one; Microsoft's documentation explains each."
        return [wrong(sentence(str(error)), do)]
    claims = claims_of(token)
    if settings.insights_access_token is not None:
        return [fine("CUSTOMER_INSIGHTS_ACCESS_TOKEN is sent as it is; Azure refuses that setting."), *_expiry(claims)]
    findings = [fine(f"Microsoft Entra gives a token for {settings.insights_scope}{_bearer(claims)}.")]
    if settings.app_registration is not None and claims and _PERMISSION not in _texts(claims.get("roles")):
        findings.append(
            unseen(
                f"The token names no permission {_PERMISSION}.",
                "If calls are refused below, give the app registration this permission of Dynamics 365 AI for Customer "
                "Insights, with admin consent.",
            )
        )
    if settings.app_registration is None:
        findings.append(
            unseen(
                "Whether Customer Insights takes the app's managed identity is seen only where the app runs.",
                "After azd up, see whether poll_refreshes succeeds. If not, use an app registration (docs/deploy.md).",
            )
        )
    return findings


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token says of itself; nothing where it is no JWT. Nobody's signature is checked here."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _bearer(claims: Mapping[str, Any]) -> str:
    client = claims.get("appid") or claims.get("azp")
    return f", for the app {client}" if isinstance(client, str) else ""


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _expiry(claims: Mapping[str, Any]) -> list[Finding]:
    expires = claims.get("exp")
    if not isinstance(expires, int) or expires > datetime.now(UTC).timestamp():
        return []
    return [wrong(f"The token expired at {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC.", "Get a new one.")]


async def check_instances(settings: Settings, api: Api) -> tuple[Sequence[Instance], list[Finding]]:
    """The instances that the bridge polls, as far as the API shows them."""
    seen = await asyncio.to_thread(api.see, "/instances", wire.INSTANCES, catalog_wire.INSTANCES)
    if seen.error is not None:
        return (), [_refusal(seen, api)]
    findings = [fine(f"The API takes key and token. Instances that it lists: {len(seen.items)}."), *seen.omissions()]
    if not seen.items:
        findings.append(
            wrong(
                "The bridge's identity sees no instance.",
                "An administrator adds it as a user in Customer Insights under Settings > Permissions.",
            )
        )
    chosen = [one for one in seen.items if not settings.instances or one.id in settings.instances]
    if missing := sorted(set(settings.instances) - {one.id for one in seen.items}):
        findings.append(
            wrong(
                f"CUSTOMER_INSIGHTS_INSTANCES names what the API does not list: {listed(missing)}.",
                "Correct the ids, or have the bridge's identity added as a user of those environments.",
            )
        )
    return chosen, findings


def _refusal(seen: Seen, api: Api) -> Finding:
    if seen.is_missing:
        return wrong(
            "At CUSTOMER_INSIGHTS_ENDPOINT is no list of instances (404).",
            "In most clouds it is https://api.ci.ai.dynamics.com/v1: leave the setting out.",
        )
    if isinstance(seen.error, AccessError) and api.challenges:
        challenge = api.challenges[-1]
        if "AzureApiManagementKey" in challenge:
            return wrong(
                "The API refuses the subscription key (401).",
                "Copy CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY anew from Customer Insights (Settings > Permissions > APIs); "
                "a regenerated key makes the old one useless.",
            )
        if challenge.startswith("Bearer"):
            return wrong(
                "The API refuses the token (401).",
                "Check CUSTOMER_INSIGHTS_SCOPE and that the app registration or identity is one of the environment's "
                "own tenant.",
            )
    return wrong(sentence(str(seen.error)))
