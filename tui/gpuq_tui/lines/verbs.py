"""What a command line of gpuq would do, as far as the interface must know before it runs it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from gpuq.errors import UsageError
from gpuq.models import Job

# fmt: off
READING = frozenset((
    *("queue", "history", "show", "why", "logs", "events", "wait", "prio", "share", "nodes", "gpus", "trace", "usage"),
    *("free", "when", "plot", "histogram", "compare", "report", "checkpoint", "weights", "export", "completions"),
    *("stacks", "notices"),
))
# fmt: on
"""Verbs that change nothing."""
CHANGING = frozenset(["enqueue", "resubmit", "cancel", "hold", "release", "requeue", "update", "admin"])
"""Verbs that change something; `admin` by what comes after it."""
NOT_HERE = frozenset(("top", "dial", "tensorboard"))
"""Verbs that need a terminal or a port of their own."""

_READING_ADMIN = frozenset(
    ("list", "show", "audit", "diag", "report", "replay", "what-if", "simulate", "eta-report", "ls")
)
_DESTROYING = frozenset(("cancel", "requeue"))
_DESTROYING_ADMIN = frozenset(("delete", "remove", "revoke", "clear", "cancel"))
_FOLLOWING = frozenset(("-f", "--follow", "--watch"))


def words_of(text: str) -> list[str]:
    """Return a typed line as words, quoted as in a shell; a leading `gpuq` may be there. No shell reads it.

    `at TIME` is short for the queue as it was then.

    Raises:
        UsageError: a quotation has no end.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"{str(error).capitalize()}: close it, or put a backslash before the quotation mark."
        ) from None
    words = words[1:] if words[:1] == ["gpuq"] else words
    return ["queue", "--at", *words[1:]] if words[:1] == ["at"] else words


def line_of(words: Sequence[str]) -> str:
    """Return words as the line that a shell would take."""
    return shlex.join(("gpuq", *words))


def is_reading(words: Sequence[str]) -> bool:
    """Whether a line changes nothing, whatever gpuqd says; what is not known is taken to change something."""
    if "--help" in words or "-h" in words:
        return True
    verb, *rest = words or [""]
    if verb == "admin":
        return any(word in _READING_ADMIN for word in rest[:2]) or "--dry-run" in rest
    return verb in READING or not words


def is_destroying(words: Sequence[str]) -> bool:
    """Whether a line ends work or removes something, so that it is asked about first."""
    verb, *rest = words or [""]
    if is_reading(words):
        return False
    return verb in _DESTROYING or (verb == "admin" and any(word in _DESTROYING_ADMIN for word in rest[:2]))


def is_following(words: Sequence[str]) -> bool:
    """Whether a line goes on until it is ended."""
    return any(word in _FOLLOWING for word in words)


def jobs_meant(words: Sequence[str], known: Mapping[str, Job]) -> Sequence[Job] | None:
    """Return the jobs that a line is about, where each of its words names one by the number that is shown of it.

    None where only gpuqd can say which they are: an array, a range, a choice by what jobs are, one that is not known.
    """
    jobs: list[Job] = []
    for word in words[1:]:
        job = known.get(word)
        if job is None:
            return None
        jobs.append(job)
    return jobs or None
