"""`python -m local.host`: serve the function app in a folder. Not Azure's host; see the package."""

import argparse
import asyncio
import importlib.metadata
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

from local.host import console
from local.host.configuration import add_local_settings
from local.host.errors import HostError
from local.host.host import Host, Options
from local.host.keys import function_key

log = logging.getLogger("local.host")


def main() -> int:
    """Serve until a signal; 0 after a clean stop, 1 when the app cannot be served."""
    arguments = _parser().parse_args()
    console.set_up(verbose=arguments.verbose)
    log.info(
        "Local Functions host on Microsoft's worker runtime %s. This is not Azure's host; where Core Tools are "
        "installed, `func start` runs the same app.",
        importlib.metadata.version("azure-functions-runtime"),
    )
    try:
        clean = asyncio.run(_serve(arguments))
    except HostError as error:
        log.error("%s", error, exc_info=error.__cause__)  # noqa: TRY400 - the cause's trace is the app's, ours says nothing
        return 1
    if not clean:
        # A thread of the worker that is still busy would hold up a normal exit for as long as it likes.
        logging.shutdown()
        os._exit(0)
    return 0


async def _serve(arguments: argparse.Namespace) -> bool:
    folder = arguments.app.resolve()
    add_local_settings(folder, os.environ)
    # As Core Tools do: this tells an app that it does not run in Azure.
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    options = Options(
        folder=folder,
        port=arguments.port,
        key=function_key(os.environ, arguments.key_file or folder / ".local" / "function-key"),
        visibility=timedelta(seconds=arguments.visibility),
        grace=timedelta(seconds=arguments.grace),
    )
    return await Host(options, os.environ).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), metavar="DIR", help="the app's folder (default: this one)")
    parser.add_argument("--port", type=int, default=7071, help="on 127.0.0.1 (default: 7071, as Core Tools)")
    parser.add_argument("--visibility", type=int, default=600, metavar="SECONDS", help="hide a message in work (600)")
    parser.add_argument(
        "--grace", type=float, default=10, metavar="SECONDS", help="for running invocations at stop (10)"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the key without FUNCTIONS_KEY is kept here")
    parser.add_argument("--verbose", action="store_true", help="log every invocation with its duration")
    return parser


if __name__ == "__main__":
    sys.exit(main())
