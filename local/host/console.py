"""The host's log on standard error: time, level, the function when one is running, logger, message."""

import logging
from collections.abc import Callable


def set_up(*, verbose: bool) -> None:
    """Log to standard error from INFO on, as the worker does; `verbose` adds a line per invocation."""
    handler = logging.StreamHandler()
    line = "%(asctime)s.%(msecs)03d %(levelname)-7s %(function)s%(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(line, "%H:%M:%S", defaults={"function": ""}))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("local.host").setLevel(logging.DEBUG if verbose else logging.INFO)
    # Azure treats these as the platform's own and hides them; failures are logged by the host.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL + 1)
    # A line for every storage request, the host's polls among them, would bury the rest.
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)


def name_functions(current: Callable[[], str | None]) -> None:
    """Show the function that `current` tells with every line from now on."""

    def add_name(record: logging.LogRecord) -> bool:
        if name := current():
            record.function = f"[{name}] "
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(add_name)
