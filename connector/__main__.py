"""Write the connector's files anew: `python -m connector`.

With a publisher's values in the environment they go to a folder that Git ignores; what is committed stays as it is.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from connector.files import FOLDER, files, placeholders, write
from connector.placeholders import given_in
from shared.errors import SettingsError

OWN = FOLDER.parent / ".local" / "connector"


def main(environment: Mapping[str, str], committed: Path = FOLDER, own: Path = OWN) -> int:
    """Write the files, say where and with which values, and return the exit code."""
    known = placeholders()
    try:
        given = given_in(environment, known)
    except SettingsError as error:
        print(f"Nothing was written: {error}.", file=sys.stderr)  # noqa: T201 - a command talks to its user
        return 1
    folder = own if given else committed
    write(folder, files(given))
    print(f"Written to {folder}, with {', '.join(given) or 'placeholders only'}.")  # noqa: T201 - the same
    if left := [name for name in known if name not in given]:
        print(f"Still placeholders: {', '.join(left)}. Give them as in: make connector {left[0]}=...")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
