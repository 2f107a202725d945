"""Which jobs a filter text keeps."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from gpuq.models import Job

Test = Callable[[Job], bool]

_TEXTS: dict[str, Callable[[Job], str]] = {
    "id": lambda job: str(job.id),
    "name": lambda job: job.name,
    "user": lambda job: job.user,
    "state": lambda job: job.state,
    "reason": lambda job: job.reason or "",
    "partition": lambda job: job.partition,
    "node": lambda job: " ".join(job.nodes),
}
_NUMBERS: dict[str, Callable[[Job], float]] = {
    "gpus": lambda job: job.gpus,
    "workers": lambda job: job.workers,
    "id": lambda job: job.id,
}
_COMPARE = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "=": operator.eq}
_NUMERIC = re.compile(r"(\w+)(>=|<=|>|<|=)(\d+)", re.ASCII)


def matcher(text: str) -> Test:
    """Return whether a job passes `text`: words that all must match, in any case.

    `word` looks into id, name, user, state and reason; `key=value` into one of them (or partition, node);
    `gpus>4`, `workers<=2` compare; `!` before any of these turns it round. An unknown key is a plain word.
    """
    tests = [_test(word.casefold()) for word in text.split()]
    return lambda job: all(test(job) for test in tests)


def _test(word: str) -> Test:
    if word.startswith("!"):
        if word == "!":
            return lambda _job: True  # half typed
        inner = _test(word[1:])
        return lambda job: not inner(job)
    numeric = _NUMERIC.fullmatch(word)
    if numeric and numeric[1] in _NUMBERS:
        get, compare, number = _NUMBERS[numeric[1]], _COMPARE[numeric[2]], int(numeric[3])
        return lambda job: compare(get(job), number)
    key, equals, value = word.partition("=")
    if equals and key in _TEXTS:
        get_text = _TEXTS[key]
        return lambda job: value in get_text(job).casefold()
    return lambda job: word in _haystack(job)


def _haystack(job: Job) -> str:
    return f"{job.id} {job.name} {job.user} {job.state} {job.reason or ''}".casefold()
