"""Values: what segments and measures, which have values to compare with rules, have in common."""

from collections.abc import Iterable, Sequence

from shared.domain import failures, gaps, thresholds
from shared.domain.checkpoints import Family
from shared.domain.evaluations import Evaluating, reaches
from shared.domain.events.envelope import Event
from shared.domain.resources import Measure, Segment
from shared.domain.rules import Rule
from shared.domain.watching import ValuesState, Watched
from shared.errors import BridgeError
from shared.usecases.families.feeds import Feeds, aside
from shared.usecases.families.room import Compared


async def with_gaps(
    state: ValuesState | None,
    changed: Sequence[Watched],
    rules: Sequence[Rule],
    operations: frozenset[str],
    feeds: Feeds,
) -> Sequence[Watched]:
    """What a rule watches and has been evaluated, maybe more than once, since it was last seen: longest unseen first.

    The jobs are read only where anything has been evaluated again, and as far back as that asks.
    """
    if state is None or not (moved := thresholds.moved(state, changed, rules)):
        return []
    last = {w.name: state.marks[w.name].seen[1] for w in moved}
    oldest = min((at for at in last.values() if at is not None), default=feeds.now())
    try:
        jobs = await feeds.jobs(lambda found: reaches(found, oldest))
    except BridgeError:
        jobs = ()  # they tell nothing, so the histories do; that they cannot be read is for the family of jobs to tell
    evaluating = Evaluating(jobs, operations)
    gaps = [w for w in moved if not evaluating.once(last[w.name], w.seen[1])]
    return sorted(gaps, key=lambda w: (last[w.name] is not None, last[w.name] or oldest, w.name))


async def compared(
    state: ValuesState | None,
    changed: Sequence[Watched],
    listed: Sequence[Segment] | Sequence[Measure],
    rules: Sequence[Rule],
    feeds: Feeds,
) -> Compared:
    """What comparing them gives."""
    instance_id, now = feeds.instance_id, feeds.now()

    def compare() -> Compared:
        after, crossings = thresholds.compare(state, changed, listed, rules, now)
        resources = {w.name: w.resource for w in changed} if crossings else {}
        crossed = [thresholds.event(instance_id, crossing, resources[crossing.rule.name]) for crossing in crossings]
        return Compared(after, [*crossed, *failures.compare(state, changed, instance_id, now)])

    return await aside(compare, len(listed) + len(rules))


def missed(family: Family, state: ValuesState | None, read_again: Iterable[Watched], feeds: Feeds) -> list[Event]:
    """That evaluations of resources which were read with their histories were missed, if some were."""
    unseen = gaps.unseen(state, read_again)
    if not unseen:
        return []
    since, until = (times for times in zip(*unseen.values(), strict=True))
    reason = gaps.TOO_SHORT + ", ".join(sorted(unseen))
    return [gaps.missed(feeds.instance_id, family, min(since), max(until), reason)]
