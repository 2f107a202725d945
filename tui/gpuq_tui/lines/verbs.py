"""What a command line of gpuq would do, as far as the interface must know before it runs it."""

from __future__ import annotations

import re
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

_ADMIN_READING = frozenset(("diag", "audit", "report", "replay", "what-if", "simulate", "eta-report"))
_ADMIN_GROUPS = frozenset(("account", "user", "qos", "limit", "reservation", "node", "token"))
_READING_BELOW = frozenset(("list", "history"))
_DESTROYING = frozenset(("cancel", "requeue"))
_DESTROYING_ADMIN = frozenset(("delete", "remove", "revoke", "clear", "cancel"))
_FLAGS = frozenset(("--yes", "-y", "--json", "--hold", "-H", "--"))
"""What a number may follow and still name jobs: options without a value."""
_NUMBERS = re.compile(r"[0-9][0-9_,%\[\]-]*")
_FOUND = re.compile(r"Would [a-z]+ job ([0-9]+(?:_[0-9]+)?) \(")
_FOLLOWING = frozenset(("-f", "--follow", "--watch"))


def words_of(text: str) -> list[str]:
    """Return a typed line as words, quoted as in a shell; a leading `gpuq` may be there. No shell reads it.

    `at TIME` is short for the queue as it was then.

    Raises:
        UsageError: a quotation has no end, or another gpuqd is meant.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"{str(error).capitalize()}: close it, or put a backslash before the quotation mark."
        ) from None
    words = words[1:] if words[:1] == ["gpuq"] else words
    if words and words[0].startswith("--host"):  # what is asked about names this one's jobs
        raise UsageError("A line here is for the gpuqd that is shown: leave --host out.")
    return ["queue", "--at", *words[1:]] if words[:1] == ["at"] else words


def line_of(words: Sequence[str]) -> str:
    """Return words as the line that a shell would take."""
    return shlex.join(("gpuq", *words))


def is_reading(words: Sequence[str]) -> bool:
    """Whether a line changes nothing, whatever gpuqd says; what is not known is taken to change something."""
    if not words or _is_for_help(words):
        return True
    verb, *rest = words
    if verb != "admin":
        return verb in READING
    return rest[:1] == [] or rest[0] in _ADMIN_READING or _below(rest) in _READING_BELOW or _is_tried(rest)


def is_destroying(words: Sequence[str]) -> bool:
    """Whether a line ends work or removes something, so that it is asked about first."""
    verb, *rest = words or [""]
    if is_reading(words):
        return False
    return verb in _DESTROYING or (verb == "admin" and _below(rest) in _DESTROYING_ADMIN)


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


def exactly(words: Sequence[str], said: Sequence[str]) -> list[str]:
    """Return a line that means the jobs that its dry run has named, and none that has come since.

    Where that named an array it stays as it is: no task comes to one.
    """
    found = [_FOUND.match(one) for one in said]
    named = [one[1] for one in found if one is not None]
    if len(named) < len(found):
        return list(words)
    return [*(word for before, word in zip(("--", *words), words, strict=False) if not _names(before, word)), *named]


def _names(before: str, word: str) -> bool:
    """Whether a word names jobs by their numbers, and is no option's value."""
    return _NUMBERS.fullmatch(word) is not None and (not before.startswith("-") or before in _FLAGS)


def _is_for_help(words: Sequence[str]) -> bool:
    """Whether a line only asks for help, right behind its verb: further on it may be a value, or a script's own."""
    verb, *rest = words
    path = rest[:2] if verb == "admin" else []
    at = next((i for i, word in enumerate(path) if word.startswith("-")), len(path))
    return rest[at : at + 1] in (["--help"], ["-h"])


def _is_tried(rest: Sequence[str]) -> bool:
    """Whether `--dry-run` is an option there, and not the value of one."""
    at = rest.index("--dry-run") if "--dry-run" in rest else 0
    return at > 0 and "--" not in rest[:at] and not rest[at - 1].startswith("-")


def _below(rest: Sequence[str]) -> str:
    """Return the verb of one of the groups of `gpuq admin`; empty where it is none of them."""
    return rest[1] if len(rest) > 1 and rest[0] in _ADMIN_GROUPS else ""
