"""Sweeps: an array whose tasks get every combination of some values as words.

`lr=1e-3,1e-4 batch=32,64 seed=0..4` is twenty tasks; the last axis turns quickest. A task gets `--lr 1e-3 --batch 32
--seed 0` behind the job's own words.
"""

from __future__ import annotations

from gpuq.errors import UsageError
from gpuq.text import clean, fit

MOST_TASKS = 10_000
_MOST_AXES = 32
_LONGEST = 16 * 1024
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

TYPE_CHECKING = False
if TYPE_CHECKING:
    Axes = list[tuple[str, list[str]]]


def parse(text: str) -> Axes:
    """Return the axes of a sweep, names and values, in their order.

    Raises:
        UsageError: it is none, or has more than 10 000 combinations.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"A sweep may have {_LONGEST} characters; this one has {len(text)}.")
    words = text.split()
    axes = [_axis(word) for word in words]
    names = [name for name, _ in axes]
    if not axes or len(axes) > _MOST_AXES or len(set(names)) < len(names):
        raise UsageError("A sweep names each of its values once, as in lr=1e-3,1e-4 batch=32,64.")
    if count(axes) > MOST_TASKS:
        raise UsageError(f"The sweep has {count(axes)} combinations; at most {MOST_TASKS} are allowed.")
    return axes


def _axis(word: str) -> tuple[str, list[str]]:
    name, equals, listed = word.partition("=")
    values = _values(listed)
    is_name = name[:1].isalpha() and _LETTERS.issuperset(name) and len(name) <= 64
    if not equals or not is_name or not all(values) or not listed.isprintable():
        raise UsageError(f"'{fit(clean(word), 60)}' is no part of a sweep: write NAME=VALUE,VALUE or NAME=0..9.")
    if len(set(values)) < len(values):
        raise UsageError(f"'{fit(clean(word), 60)}' names a value twice.")
    return name, values


def _values(listed: str) -> list[str]:
    first, dots, last = listed.partition("..")
    if dots:
        is_range = listed.isascii() and first.isdecimal() and last.isdecimal() and len(last) <= 9
        if not is_range or int(first) > int(last):
            return [""]  # no range of whole numbers: refused
        low, high = int(first), int(last)
        return [str(number).zfill(len(first)) for number in range(low, min(high, low + MOST_TASKS) + 1)]
    return listed.split(",")


def count(axes: Axes) -> int:
    """Return how many combinations there are."""
    product = 1
    for _, values in axes:
        product *= len(values)
    return product


def combination(axes: Axes, index: int) -> dict[str, str]:
    """Return the values of task `index`, from 0."""
    chosen: dict[str, str] = {}
    for name, values in reversed(axes):
        index, place = divmod(index, len(values))
        chosen[name] = values[place]
    return dict(reversed(list(chosen.items())))


def words(axes: Axes, index: int) -> list[str]:
    """Return the words of task `index`: `--lr 1e-3 --batch 32`."""
    return [word for name, value in combination(axes, index).items() for word in (f"--{name}", value)]
