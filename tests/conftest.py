"""What holds for every test."""

import os
import signal

from hypothesis import HealthCheck, settings

# The same examples every time: a run that fails says something of what changed since the last one.
# `HYPOTHESIS_PROFILE=default` looks for others.
# How long they take says more about the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes. Compiling our modules anew takes each of them longer than all else at its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
