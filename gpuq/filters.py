"""Which jobs a filter keeps: one language for the command line and the full-screen terminal.

A filter is words that all must match, in any case:

- `resnet`: found in id, name, user, account, state or reason; `/re.*50/`: a regular expression found there
- `user=ann`, `name=re*`: the whole field, where `*` and `?` stand for any letters; `name~net`: somewhere in it
- `state=R`, `state=run`: squeue's letters, or how the state begins
- `gpus>4`, `workers<=2`, `priority>=1000`: numbers
- `user!=ann`; and `!` before any word turns it round
"""

from __future__ import annotations

import operator
import re
from fnmatch import fnmatchcase

from gpuq.bounded import BoundedPattern
from gpuq.errors import UsageError
from gpuq.near import hint
from gpuq.states import SHORT_STATES
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Get = Callable[[Any, str], Any]
    Test = Callable[[Any], bool]

TEXTS = ("name", "user", "account", "partition", "qos", "reason", "gpu_type", "reservation", "node", "state", "id")
NUMBERS = ("gpus", "workers", "gpus_per_worker", "priority", "nice", "attempt", "array_index", "id")
_SEARCHED = ("id", "name", "user", "account", "state", "reason")
_STATES = {short.casefold(): state.casefold() for state, short in SHORT_STATES.items()}
_COMPARE = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
_EXPRESSION = re.compile(r"([a-z_-]+)(!=|>=|<=|>|<|=|~)(.*)", re.ASCII | re.DOTALL)
_LONGEST = 500


def matcher(words: Iterable[str], get: Get = getattr) -> Test:
    """Return what tells whether a job passes all `words`; `get(job, field)` reads a field of it.

    Raises:
        UsageError: a field is unknown, a number is none, or a regular expression cannot be read.
    """
    tests = [_test(word, get) for word in words]
    return lambda job: all(test(job) for test in tests)


def is_expression(word: str) -> bool:
    """Whether a word says what it looks at (`gpus>4`, `/re/`), and is not merely some text."""
    bare = word.lstrip("!")
    return word.startswith("!") or _is_regex(bare) or _EXPRESSION.fullmatch(bare.casefold()) is not None


def literal(text: str) -> str:
    """Return the regular expression that finds `text` itself."""
    return re.escape(text[: _LONGEST // 2])


def _is_regex(word: str) -> bool:
    return len(word) > 2 and word[0] == word[-1] == "/"


def _test(word: str, get: Get) -> Test:
    if word.startswith("!"):
        if not word.strip("!"):
            raise UsageError("A ! stands right before a word, as in !name=bert.")
        inner = _test(word[1:], get)
        return lambda job: not inner(job)
    if _is_regex(word):
        pattern = BoundedPattern(_pattern(word[1:-1]))
        return lambda job: pattern.found_in(_haystack(job, get))
    found = _EXPRESSION.fullmatch(word.casefold())
    if found is None:
        part = word.casefold()
        return lambda job: part in _haystack(job, get)
    return _comparison(found[1].replace("-", "_"), found[2], found[3], get)


def _comparison(field: str, sign: str, value: str, get: Get) -> Test:
    if field in NUMBERS and sign in _COMPARE and _is_number(value):
        compare, number = _COMPARE[sign], int(value)
        return lambda job: (held := get(job, field)) is not None and compare(held, number)
    if field not in TEXTS:
        if field in NUMBERS:
            raise UsageError(f"'{_shown(field + sign + value)}' compares with no whole number; write {field}>4.")
        there = hint(field, _fields(), f"there are {', '.join(_fields())}.")
        raise UsageError(f"A job has no '{_shown(field)}' to filter by; {there}")
    if sign not in ("=", "!=", "~"):
        raise UsageError(f"'{_shown(field)}' is no number: write {field}=VALUE, {field}!=VALUE or {field}~PART.")
    test = _text_test(field, "~" if sign == "~" else "=", value, get)
    return (lambda job: not test(job)) if sign == "!=" else test


def _text_test(field: str, sign: str, value: str, get: Get) -> Test:
    if field == "state" and sign == "=":
        whole = _STATES.get(value)
        if whole is not None:
            return lambda job: _text(job, field, get) == whole
        return lambda job: _text(job, field, get).startswith(value)
    if sign == "~":
        return lambda job: value in _text(job, field, get)
    if field == "node":
        return lambda job: any(fnmatchcase(name.casefold(), value) for name in get(job, "nodes"))
    return lambda job: fnmatchcase(_text(job, field, get), value)


def _text(job: Any, field: str, get: Get) -> str:
    if field == "id" and get(job, "array_id") is not None:
        return f"{get(job, 'array_id')}_{get(job, 'array_index')}"
    if field == "node":
        return " ".join(get(job, "nodes")).casefold()
    held = get(job, field)
    return "" if held is None else str(held).casefold()


def _haystack(job: Any, get: Get) -> str:
    return " ".join(_text(job, field, get) for field in _SEARCHED)


def _pattern(text: str) -> re.Pattern[str]:
    if len(text) > _LONGEST:
        raise UsageError(f"A regular expression may have at most {_LONGEST} characters.")
    try:
        return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"/{_shown(text)}/ is no regular expression: {error}.") from error


def _fields() -> list[str]:
    return sorted({*TEXTS, *NUMBERS})


def _is_number(word: str) -> bool:
    digits = word.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 12


def _shown(text: str) -> str:
    return fit(clean(text), 60)
