"""What all tests share: how Hypothesis looks for examples."""

import os

from hypothesis import settings

# On a build machine the same commit is tried with the same examples, and a slow moment is no failure.
settings.register_profile("build", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("build" if os.environ.get("CI") else "desk")
