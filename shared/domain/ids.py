"""Ids: which spellings are of the same one?

Customer Insights' ids are GUIDs, and its feeds do not spell them alike: one writes them in lower case, another in upper
case and braces. They are shown and sent as they came; they are compared, remembered and counted by their key.
"""

import string
from typing import Annotated, Final

from pydantic import AfterValidator

# Stands for all instances, where one is named.
EVERY_INSTANCE: Final = "*"

_AROUND = string.whitespace + "{}"


def key(spelled: str) -> str:
    """What all spellings of an id have in common: it has no case, and nothing of the blanks and braces around it."""
    return spelled.strip(_AROUND).casefold()


# An id as it is remembered. What an earlier release has kept in another spelling is read as its key.
type Key = Annotated[str, AfterValidator(key)]
