"""Which jobs a filter keeps while it is typed."""

from __future__ import annotations

from collections.abc import Callable

from gpuq import filters
from gpuq.errors import UsageError
from gpuq.models import Job


def matcher(text: str) -> Callable[[Job], bool]:
    """Return whether a job passes `text`, in the language of `gpuq.filters`; a word that is none yet is plain text."""
    tests = [_test(word) for word in text.split()]

    def passes(job: Job) -> bool:
        try:
            return all(test(job) for test in tests)
        except UsageError:  # a pattern that takes too long finds nothing
            return False

    return passes


def _test(word: str) -> Callable[[Job], bool]:
    if not word.strip("!"):
        return lambda _job: True  # half typed
    try:
        return filters.matcher((word,))
    except UsageError:
        return filters.matcher((f"/{filters.literal(word)}/",))
