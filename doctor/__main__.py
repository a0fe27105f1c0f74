"""`python -m doctor`: exits 0 when all that can be seen is fine, else 1."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Final

from doctor.access import check_instances, check_token
from doctor.configuration import LocalSettingsError, check_settings, local_settings, secrets_of
from doctor.findings import Finding, Verdict, unseen, wrong
from doctor.probing import Api
from doctor.report import Report
from doctor.storage import check_storage
from doctor.tenant import check_instance
from doctor.topic import check_topic
from shared.composition import insights_tokens, storage_account
from shared.settings import Settings

LOCAL_SETTINGS: Final = Path("local.settings.json")
# Each takes about twenty calls, and environments of one tenant are alike.
MOST_INSTANCES: Final = 5


def main() -> int:
    """Examine the bridge of this environment and folder."""
    # What goes wrong is told in the report; the libraries' own lines would only stand between.
    logging.disable(logging.CRITICAL)
    try:
        values = {**local_settings(LOCAL_SETTINGS), **os.environ}
    except LocalSettingsError as error:
        Report().section("Settings", [wrong(f"{error}.")])
        return 1
    report = Report(secrets_of(values))
    asyncio.run(examine(values, report))
    report.end()
    return 0 if report.is_fine else 1


async def examine(values: Mapping[str, str], report: Report) -> None:
    """Look at everything, and print what is found as it is found."""
    settings, findings = check_settings(values)
    report.section("Settings", findings)
    if settings is None:
        return
    report.section("Storage", await _guarded(check_storage(settings, storage_account(settings))))
    report.section("Event Grid topic", await _guarded(check_topic(settings)))
    await _examine_tenant(settings, report)


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
