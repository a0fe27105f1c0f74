"""Table keys: any texts, told apart, readable while they are short, and never longer than a table takes."""

from hypothesis import example, given
from hypothesis import strategies as st

from shared.adapters.storage import MAX_KEY, key_of, parts_of

LONG = "ä" * 256
PARTS = st.lists(
    st.text(max_size=8) | st.text(min_size=80, max_size=300) | st.sampled_from(["!!", "!41", "%41", "|", LONG]),
    min_size=1,
    max_size=6,
)


@given(PARTS)
@example([LONG])
@example([LONG] * 6)
@example(["a" * 600, "b"])
def test_any_texts_make_a_key_that_a_table_takes(parts: list[str]) -> None:
    key = key_of(*parts)
    assert len(key) <= MAX_KEY
    assert not set(key) & set("/\\#?%'")
    assert key.isprintable()
    assert key.isascii()


@given(PARTS, PARTS)
@example([LONG], [LONG[:-1] + "ö"])
@example([LONG], [parts_of(key_of(LONG))[0]])
@example(["a", "b"], ["a|b"])
def test_other_texts_make_another_key(one: list[str], other: list[str]) -> None:
    assert (key_of(*one) == key_of(*other)) == (one == other)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_the_texts_of_a_short_key_can_be_read(parts: list[str]) -> None:
    assert parts_of(key_of(*parts)) == parts


def test_short_keys_stay_as_they_are() -> None:
    assert key_of("route", "data-source-refresh-failed", "d1") == "route|data-source-refresh-failed|d1"
