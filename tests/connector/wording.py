"""The rules for what makers read."""

FORBIDDEN_CHARACTERS = set("/\\<>*%&?")
PROPER = {"URL", "JSON", "OData", "UTC", "API"}


def is_good_summary(text: str) -> bool:
    """At most 80 characters, sentence case, no forbidden character, no punctuation at the end."""
    first, *others = text.split() or [""]
    return (
        0 < len(text) <= 80
        and (first in PROPER or first == first.capitalize())
        and all(word in PROPER or word == word.lower() for word in others)
        and not FORBIDDEN_CHARACTERS & set(text)
        and text[-1].isalnum()
    )


def is_good_description(text: str) -> bool:
    """A sentence: it begins like one and ends with a full stop."""
    return len(text) > 5 and text.endswith(".") and not text.endswith("..") and text == " ".join(text.split())
