"""Waiting for other processes."""

import time


def until(true, what, patience=20, pause=0.01):
    """Waits until `true()` is, and returns how many seconds that took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience:
            raise TimeoutError(f"after {patience} s still not: {what}")
        time.sleep(pause)
    return time.monotonic() - began


def percentile(values, share):
    """The value that so large a share of `values` is not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
