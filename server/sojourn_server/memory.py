"""The garbage collector of a serving process."""

from __future__ import annotations

import gc


def tune_collector() -> None:
    """Takes what the start made out of the collector's sight and lets it run less often.

    A call makes few cycles and much short-lived garbage, which needs no collector; with the default thresholds full
    collections would walk all modules and sessions' keys again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
