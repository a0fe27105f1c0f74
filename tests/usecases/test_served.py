import pytest

from shared.domain.catalog import Instance
from shared.errors import NotFoundError
from shared.usecases.served import Served

ONE, TWO = Instance(instance_id="AB-1"), Instance(instance_id="cd-2")


def test_without_a_choice_every_instance_is_served() -> None:
    served = Served([])
    assert served("anything") == "anything"
    assert served.among([ONE, TWO]) == [ONE, TWO]


def test_only_the_chosen_instances_are_served() -> None:
    served = Served(["ab-1"])
    assert served.among([ONE, TWO]) == [ONE]
    with pytest.raises(NotFoundError, match="'cd-2'"):
        served("cd-2")


def test_the_case_of_letters_does_not_count_and_the_settings_spelling_is_asked_for() -> None:
    assert Served(["Ab-1"])("aB-1") == "Ab-1"


@pytest.mark.parametrize("spelled", ["AB-1", "{ab-1}", " Ab-1\t", "{AB-1} "])
def test_neither_do_braces_and_blanks(spelled: str) -> None:
    assert Served(["ab-1"])(spelled) == "ab-1"
    assert Served([spelled]).among([ONE, TWO]) == [ONE]
