"""Arrays: one request, many like tasks."""

from __future__ import annotations

from dataclasses import dataclass

from gpuq import sweep
from gpuq.errors import UsageError
from gpuq.models import JobSpec
from gpuq.text import clean, fit

MOST_TASKS = 10_000
LARGEST_INDEX = 1_000_000
_LONGEST = 256 * 1024
_MOST_NAMED = 10 * MOST_TASKS  # those that are named twice counted twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """The indices of an array's tasks, ascending, and how many may run at once (None: all)."""

    indices: tuple[int, ...]
    throttle: int | None = None


def parse(text: str) -> Array:
    """Return what `0-99%4`, `1,3,5-7` or `0-15:4` says.

    Raises:
        UsageError: it says nothing of the kind, or has more than 10 000 tasks.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"An array may have {_LONGEST} characters; this one has {len(text)}: write 0-99.")
    ranges, percent, throttle = text.strip().partition("%")
    at_once = _number(throttle, text) if percent else None
    if at_once == 0:
        raise UsageError("At least one task of an array must be allowed to run: write %1 or more.")
    indices, named = set[int](), 0
    for part in ranges.split(","):
        chosen = _range(part.strip(), text)
        named += len(chosen)
        if len(chosen) <= MOST_TASKS and named <= _MOST_NAMED:
            indices.update(chosen)
        if len(chosen) > MOST_TASKS or len(indices) > MOST_TASKS or named > _MOST_NAMED:
            many = len(chosen) if len(chosen) > MOST_TASKS else f"more than {MOST_TASKS}"
            raise UsageError(f"The array has {many} tasks; at most {MOST_TASKS} are allowed: make several arrays.")
    return Array(indices=tuple(sorted(indices)), throttle=at_once)


def tasks_of(spec: JobSpec) -> Array | None:
    """Return the tasks of an array; of a sweep all combinations, or those that `array` names; None of a job alone.

    Raises:
        UsageError: it cannot be read, or names combinations that there are not.
    """
    if spec.sweep is None:
        return None if spec.array is None else parse(spec.array)
    last = sweep.count(sweep.parse(spec.sweep)) - 1
    named, percent, at_once = (spec.array or "").partition("%")
    found = parse(f"{named.strip() or f'0-{last}'}{percent}{at_once}")
    if found.indices[-1] > last:
        raise UsageError(f"The sweep's combinations go from 0 to {last}; there is none {found.indices[-1]}.")
    return found


def _range(part: str, text: str) -> range:
    span, colon, step_text = part.partition(":")
    first_text, dash, last_text = span.partition("-")
    first = _number(first_text, text)
    last = _number(last_text, text) if dash else first
    step = _number(step_text, text) if colon else 1
    if step == 0 or last < first or (colon and not dash):
        raise _wrong(text)
    chosen = range(first, last + 1, step)
    if last > LARGEST_INDEX and len(chosen) <= MOST_TASKS:
        raise UsageError(f"An array's index can be at most {LARGEST_INDEX}; this one goes to {last}.")
    return chosen


def _number(word: str, text: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 12):
        raise _wrong(text)
    return int(word)


def _wrong(text: str) -> UsageError:
    return UsageError(f"'{fit(clean(text), 40)}' is not an array: write 0-99, 0-99%4 (4 at once), 1,3,7 or 0-90:10.")
