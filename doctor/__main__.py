"""`python -m doctor`: exits 0 when all that can be seen is fine, else 1."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from doctor.access import check_instances, check_token
from doctor.configuration import LocalSettingsError, check_settings, local_settings, secrets_of
from doctor.deployed import Deployed, read_deployed
from doctor.findings import Finding, Verdict, listed, unseen, wrong
from doctor.operation import check_operation
from doctor.probing import Api
from doctor.report import Report
from doctor.storage import check_storage
from doctor.tenant import check_instance
from doctor.topic import check_topic
from shared.access import insights_tokens, storage_account
from shared.adapters.cipher import CallbackCipher
from shared.settings import AZURE_MARKS, Settings

LOCAL_SETTINGS: Final = Path("local.settings.json")
# Each takes about twenty calls, and environments of one tenant are alike.
MOST_INSTANCES: Final = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine the bridge of this environment and folder, or the one that azd has deployed."""
    parser = argparse.ArgumentParser(prog="python -m doctor", description="Examines a bridge, and changes nothing.")
    parser.add_argument("--azd", metavar="ENVIRONMENT", help="the app that this azd environment has deployed")
    environment = parser.parse_args(arguments).azd
    # What goes wrong is told in the report; the libraries' own lines would only stand between.
    logging.disable(logging.CRITICAL)
    if environment:
        deployed = read_deployed(environment)
        report = Report(secrets_of(deployed.values))
        report.section(f"Deployed by azd: {environment}", deployed.findings)
        if not deployed.values:
            return 1
    else:
        try:
            deployed = Deployed({**local_settings(LOCAL_SETTINGS), **os.environ})
        except LocalSettingsError as error:
            Report().section("Settings", [wrong(f"{error}.")])
            return 1
        report = Report(secrets_of(deployed.values))
    asyncio.run(examine(deployed.values, report, deployed.hidden))
    report.end()
    return 0 if report.is_fine else 1


async def examine(values: Mapping[str, str], report: Report, hidden: Collection[str] = ()) -> None:
    """Look at everything, and print what is found as it is found; what needs a `hidden` setting is left out."""
    settings, findings = check_settings(values, hidden)
    report.section("Settings", findings)
    if settings is None:
        return
    is_readable = not any(name.startswith("CALLBACK_ENCRYPTION_KEY") for name in hidden)
    cipher = CallbackCipher(settings.callback_key, settings.callback_key_previous) if is_readable else None
    account = storage_account(settings)
    async with account.credential or contextlib.nullcontext():
        report.section("Storage", await _guarded(check_storage(settings, account, cipher)))
        report.section("Operation", await _guarded(check_operation(account, datetime.now(UTC))))
    if not {"EVENT_GRID_TOPIC_ENDPOINT", "EVENT_GRID_TOPIC_KEY"} & set(hidden):
        report.section("Event Grid topic", await _guarded(check_topic(settings)))
    if reason := _closed(values, settings, hidden):
        report.section("Customer Insights", [reason])
    else:
        await _examine_tenant(settings, report)


def _closed(values: Mapping[str, str], settings: Settings, hidden: Collection[str]) -> Finding | None:
    """Why the tenant cannot be looked at as the bridge sees it, if it cannot."""
    if needed := sorted(name for name in hidden if name.startswith("CUSTOMER_INSIGHTS_")):
        return unseen(f"Whether the bridge reads Customer Insights cannot be seen without {listed(needed)}.")
    is_deployed = any(values.get(mark) for mark in AZURE_MARKS)
    if is_deployed and settings.app_registration is None and settings.insights_access_token is None:
        return unseen(
            "The app reads Customer Insights with its managed identity, which is not on this machine.",
            "The polls tell: see whether poll_refreshes succeeds.",
        )
    return None


async def _examine_tenant(settings: Settings, report: Report) -> None:
    tokens = insights_tokens(settings)
    findings = await _guarded(check_token(settings, tokens))
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        report.section("Customer Insights: access", findings)
        return
    api = Api.open(settings, tokens)
    try:
        instances, found = await check_instances(settings, api)
        if more := instances[MOST_INSTANCES:]:
            do = "To look at others, name them in CUSTOMER_INSIGHTS_INSTANCES for one run."
            found.append(unseen(f"Only the first {MOST_INSTANCES} are looked at, {len(more)} more are not.", do))
        report.section("Customer Insights: access", [*findings, *found])
        for instance in instances[:MOST_INSTANCES]:
            looked = await _guarded(asyncio.to_thread(check_instance, api, instance.id))
            report.section(f"Customer Insights: {instance.name or 'instance'} ({instance.id})", looked)
    finally:
        api.calls.close()


async def _guarded(check: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    """What a check finds. Where it breaks off, that is a finding; the text of the error could hold a secret."""
    try:
        return await check
    except Exception as error:  # noqa: BLE001 - the other checks have their turn
        kind = type(error).__name__
        return [
            wrong(f"The check broke off with an error of its own ({kind}).", "Report this; the other checks go on.")
        ]


if __name__ == "__main__":
    sys.exit(main())
