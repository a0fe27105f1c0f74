"""`python -m tests.soak MINUTES`: soak, and write what came of it into docs/reliability.md; 1 when it is wrong."""

import sys

from local.command import run
from local.demo.screen import Screen
from tests.soak.page import keep, written
from tests.soak.play import play
from tests.soak.samples import trends


async def soak(minutes: float) -> int:
    """Soak; what is wrong is shown, and not written."""
    screen = Screen()
    screen.say(f"Azurite and two hosts start, and soak for {minutes:g} minutes.")
    outcome = await play(minutes, lambda text: screen.happening("bridge", text))
    screen.account(outcome.rows, title="The account of the soak")
    screen.say(written(outcome))
    steep = [each for each in trends(outcome.samples, outcome.alone_since) if not each.is_level]
    for each in steep:
        screen.say(f"not level: {each.series} grew by {each.growth:,.1f} {each.unit}", style="red")
    if steep or not all(row.is_right for row in outcome.rows):
        return 1
    keep(outcome)
    return 0


if __name__ == "__main__":
    sys.exit(run(soak(float(sys.argv[1]))))
