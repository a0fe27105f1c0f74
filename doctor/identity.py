"""Does Microsoft Entra give the bridge's identity a token for a service of Azure?"""

import asyncio
from typing import Final

from azure.core.exceptions import AzureError

from doctor.findings import Finding, fine, wrong
from shared.access import azure_identity
from shared.settings import Settings

_PATIENCE: Final = 60  # seconds; the login of a machine is looked for in many places


async def check_azure_token(settings: Settings, service: str, scope: str, instead: str) -> Finding:
    """Get a token for a service; `instead` is the setting with which it would do without."""
    try:
        async with asyncio.timeout(_PATIENCE), azure_identity(settings) as identity:
            await identity.get_token(scope)
    except (AzureError, ValueError, TimeoutError) as error:
        return wrong(
            f"Microsoft Entra gives no token for {service} ({type(error).__name__}).",
            f"Sign in with az login, or set {instead}.",
        )
    return fine(f"Microsoft Entra gives a token for {service}.")
