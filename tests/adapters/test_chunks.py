import pytest

from shared.adapters.chunks import chunked, joined


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 900_000])
def test_bytes_come_back_from_properties_that_a_row_takes(length: int) -> None:
    content = bytes(number % 251 for number in range(length))
    properties = chunked("event", content)
    assert all(len(value) <= 65_536 for value in properties.values())
    assert joined({"v": 1, "events": b"another", **properties}, "event") == content
