"""What holds for every test."""

import os

from hypothesis import settings

# The same examples every time: a run that fails says something of what changed since the last one.
# `HYPOTHESIS_PROFILE=default` looks for others.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
