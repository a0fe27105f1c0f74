"""Numbers as they are written, without a detour over binary floats."""

import re
from decimal import Decimal
from typing import Final

# "900", "900.50", "-1E+3". No digit groups: whether "1,234" is a thousand or a fraction depends on who wrote it. An
# exponent of four digits is no measurement, and printing such a number takes the memory of its digits.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,3})?", re.ASCII)


def number_of(value: object) -> Decimal | None:
    """Return a finite number as it is written, without a detour over binary floats; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None
