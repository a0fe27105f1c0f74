"""docs/security.md names the ways in that there are, tests that exist, and the corpus as it is."""

import re

import pytest
from azure.functions import AuthLevel

from local.host.web import BODY_LIMIT
from shared.adapters.delivery_table import DELIVERIES, DeliveryTable
from shared.adapters.event_table import EVENTS, EventTable
from shared.adapters.letter_table import DEAD_LETTERS, DeadLetterTable
from shared.domain.exact_json import MAX_DEPTH
from tests.attack.corpus import ANSWERS, URLS
from tests.functions import FUNCTIONS
from tests.integration.test_bodies import SLOW
from tests.pages import PAGES, PROJECT, block, code_spans, commands, rows, table
from tests.storage import SHOWN

PAGE = PAGES["docs/security.md"]
PROOFS = [
    (what, name, file)
    for what, _, proofs in table("guards", PAGE)
    for name, file in re.findall(r"\[(test_\w+)\]\(\.\./([^)]+)\)", proofs)
]


@pytest.mark.parametrize(("what", "name", "file"), PROOFS, ids=[name for _, name, _ in PROOFS])
def test_what_proves_a_guard_is_a_test(what: str, name: str, file: str) -> None:
    text = (PROJECT / file).read_text("utf-8")
    assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), what


def test_every_guard_has_a_rule_and_a_proof() -> None:
    guards = table("guards", PAGE)
    assert {what for what, _, _ in guards} == {what for what, _, _ in PROOFS}
    assert all(rule for _, rule, _ in guards)
    # Those without a link are the host's, or are about what is left out.
    assert sum("](../" not in rule for _, rule, _ in guards) <= 3


def test_the_ways_in_are_those_of_the_app() -> None:
    triggers = [function.get_trigger().get_dict_repr() for function in FUNCTIONS]
    ways = block("entries", PAGE)
    is_open = {
        f"{getattr(method, 'value', method)} /api/{one['route']}"
        for one in triggers
        if one["type"] == "httpTrigger" and one["authLevel"] == AuthLevel.ANONYMOUS
        for method in one["methods"]
    }
    assert {span for span in code_spans(ways) if "/api/" in span} == is_open
    queues = {one["queueName"] for one in triggers if one["type"] == "queueTrigger"}
    [told] = [way for way, _ in rows(ways) if way.startswith("queues")]
    assert code_spans(told) >= {queue for queue in queues if "poison" not in queue}


def test_only_what_forgets_is_said_to_be_kept_for_some_days() -> None:
    logs = {EVENTS: EventTable, DELIVERIES: DeliveryTable, DEAD_LETTERS: DeadLetterTable}
    [told] = [where for _, _, where in table("worth", PAGE) if "`EVENT_RETENTION_DAYS`" in where]
    assert code_spans(told) & set(logs) == {name for name, log in logs.items() if hasattr(log, "purge")}


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{BODY_LIMIT:,} bytes" in PAGE
    assert f"{MAX_DEPTH} levels" in PAGE


def test_what_is_tried_is_as_the_page_says() -> None:
    assert f"{SLOW} senders" in PAGE
    assert f"the first {SHOWN} messages" in PAGE


def test_the_corpus_is_as_large_as_the_page_says() -> None:
    counts = [sum(len(kind.each) for kind in URLS), sum(len(kind.each) for kind in ANSWERS), len([*URLS, *ANSWERS])]
    assert [int(number) for _, number in table("corpus", PAGE)] == counts
    assert counts[0] + counts[1] >= 300


def test_the_command_that_reviews_packages_reads_the_lock_as_it_is() -> None:
    [command] = [line for line in commands(PAGE) if "pip-audit" in line]
    assert "--requirement requirements.txt" in command
    # Without pip nothing is installed, which needs a lock of everything with hashes.
    assert {"--require-hashes", "--disable-pip"} <= set(command.split())
