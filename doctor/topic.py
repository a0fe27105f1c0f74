"""Is the Event Grid topic there? Nothing is published, so how far that can be seen is said honestly."""

import asyncio
import socket
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

from doctor.findings import Finding, fine, unseen, wrong
from doctor.identity import check_azure_token
from shared.settings import Settings

# What Azure's library for publishing asks for, in every cloud.
SCOPE: Final = "https://eventgrid.azure.net/.default"
_PATIENCE: Final = 10  # seconds


async def check_topic(settings: Settings) -> list[Finding]:
    """Connect to the topic, and get what the bridge would publish with."""
    endpoint = urlsplit(settings.topic_endpoint)
    findings = [await _connection(endpoint)]
    if settings.topic_key is None:
        findings.append(await check_azure_token(settings, "Event Grid", SCOPE, "EVENT_GRID_TOPIC_KEY"))
        do = "On the topic the app's identity needs the role EventGrid Data Sender."
    else:
        do = "If a poll fails with 401, compare with: az eventgrid topic key list."
    findings.append(unseen("Whether the topic takes events from the bridge is seen only by publishing one.", do))
    findings.append(
        unseen(
            "Whether the topic's events reach the queue `events` cannot be seen from here.",
            "az eventgrid event-subscription list --source-resource-id <id of the topic> shows the subscription; its "
            "destination must be that queue, in the schema CloudEventSchemaV1_0.",
        )
    )
    return findings


async def _connection(endpoint: SplitResult) -> Finding:
    """Connect, with TLS where the address says so, and hang up."""
    host, tls = str(endpoint.hostname), endpoint.scheme == "https"
    port = endpoint.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(_PATIENCE):
            context = ssl.create_default_context() if tls else None
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.close()
    except TimeoutError:
        return wrong(f"{host} does not answer.", "Check whether a firewall or a private endpoint is between.")
    except socket.gaierror:
        return wrong(f"The name {host} is not known.", "Check EVENT_GRID_TOPIC_ENDPOINT for a mistake in writing.")
    except ssl.SSLError as error:
        return wrong(f"No secure connection to {host} comes about ({error.reason}).", "Check proxies and certificates.")
    except OSError as error:
        return wrong(
            f"No connection to {host} comes about ({type(error).__name__}).", "Check the address and firewalls."
        )
    return fine(f"{host} is known, and a{' secure' if tls else ''} connection to it comes about.")
