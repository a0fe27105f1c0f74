"""Calls: those of the ports that something may go wrong with, which are all that are made."""

from collections.abc import Mapping

# How likely each is chosen.
DELIVERING: Mapping[str, int] = {
    "subscriptions.get": 3,
    "subscriptions.replace": 5,
    "subscriptions.query": 1,
    "deliveries.get": 3,
    "deliveries.insert": 4,
    "deliveries.replace": 5,
    "deliveries.transact": 6,
    "deliveries.query": 3,
    "due.put_all": 6,
    "due.delete": 3,
    "due.query": 1,
    "events.get": 1,
    "events.delete": 1,
    "events.insert": 2,
    "events.query": 1,
    "deadletters.insert": 3,
    "deadletters.put": 1,
    "deadletters.delete": 1,
    "queue deliveries.add": 6,
    "queue releases.add": 5,
    "queue events.done": 2,
    "queue deliveries.done": 3,
    "queue releases.done": 3,
    "queue events.taken": 1,
    "queue deliveries.taken": 2,
    "queue releases.taken": 4,
    "flow.call": 5,
    "topic.publish": 3,
}
PEOPLE: Mapping[str, int] = {
    "subscriptions.insert": 2,
    "subscriptions.put": 3,
    "subscriptions.delete": 2,
    "deadletters.get": 1,
    "deadletters.query": 1,
}
POLLING: Mapping[str, int] = {
    "checkpoints.load": 4,
    "checkpoints.save": 14,
    "topic.publish": 10,
    "polls.get": 2,
    "polls.replace": 3,
    "polls.put": 2,
    "polls.query": 2,
    "queue polls.add": 3,
    "queue polls.taken": 2,
    "queue polls.done": 2,
    "api.jobs": 3,
    "api.nodes": 2,
    "api.data sources": 3,
    "api.segments": 2,
    "api.measures": 2,
    "api.measure": 1,
}
# All calls that are made: something may go wrong with each.
CALLS = {**DELIVERING, **PEOPLE, **POLLING}
