"""What gpuqd measures of itself, in fixed memory and at next to no cost: counts of durations in buckets.

Totals only ever grow, as Prometheus wants them; `reset` sets a mark, and spreads are of what came since.
There are no locks: a count that one thread makes while another counts, reads or resets may be late or lost,
and nothing worse.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate
from math import ceil, frexp, inf, ldexp
from types import TracebackType

from gpuq.diagnosis import Spread

logger = logging.getLogger(__name__)

OTHER = "other"
SLOW_S = 0.010  # a statement that takes as long is worth its name
STALL_S = 1.0  # a pass, commit or query that takes as long is worth a warning
_STEPS = 8  # buckets for each doubling
_LEAST_EXPONENT, _MOST_EXPONENT = -20, 12
_LEAST, _MOST = ldexp(1.0, _LEAST_EXPONENT), ldexp(1.0, _MOST_EXPONENT)  # 1 microsecond; 68 minutes
_BUCKETS = (_MOST_EXPONENT - _LEAST_EXPONENT) * _STEPS

Ticks = Callable[[], float]


class Timed:
    """A block of code whose duration counts; `seconds` is known after it. A block that raises counts too."""

    __slots__ = ("_began", "_histogram", "_ticks", "seconds")

    def __init__(self, histogram: Histogram, ticks: Ticks) -> None:
        self._histogram = histogram
        self._ticks = ticks
        self._began = 0.0
        self.seconds = 0.0

    def __enter__(self) -> Timed:
        self._began = self._ticks()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds = self._ticks() - self._began
        self._histogram.record(self.seconds)
        if self.seconds >= self._histogram.bound_s:
            logger.warning("took long", extra={"what": self._histogram.name, "seconds": round(self.seconds, 3)})


class Histogram:
    """How often which duration was seen, from a microsecond to an hour, in 256 buckets of at most an eighth's width.

    A timed block that takes `bound_s` or more is logged under the histogram's name.

    Source: the linear steps within a doubling of HdrHistogram.
    """

    __slots__ = ("_counts", "_mark", "_mark_sum_s", "_ticks", "bound_s", "last_s", "max_s", "name", "sum_s")

    def __init__(self, ticks: Ticks = time.perf_counter, *, name: str = "", bound_s: float = inf) -> None:
        self.name = name
        self.bound_s = bound_s
        self._counts = [0] * _BUCKETS
        self._mark: list[int] | None = None
        self._mark_sum_s = 0.0
        self._ticks = ticks
        self.sum_s = 0.0
        self.last_s = 0.0
        self.max_s = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration. What lies outside the buckets counts in the first or the last."""
        if _LEAST <= seconds < _MOST:
            mantissa, exponent = frexp(seconds)
            self._counts[(exponent - 1 - _LEAST_EXPONENT) * _STEPS + int(mantissa * 2 * _STEPS) - _STEPS] += 1
        else:
            self._counts[-1 if seconds >= _MOST else 0] += 1
        self.sum_s += seconds
        self.last_s = seconds
        if seconds > self.max_s:
            self.max_s = seconds

    def timed(self) -> Timed:
        """Return a context manager that counts how long its block takes."""
        return Timed(self, self._ticks)

    @property
    def count(self) -> int:
        """How many durations were counted since the start."""
        return sum(self._counts)

    def at_most(self, bounds_s: Iterable[float]) -> list[int]:
        """Return how many durations since the start were at most each bound, as Prometheus' `le`.

        Exact for bounds that are powers of two; others count as the next bucket's edge below them.
        """
        sums = [0, *accumulate(self._counts)]
        return [sums[bisect_right(_EDGES, bound)] for bound in bounds_s]

    def reset(self) -> None:
        """Let spreads begin now; totals go on."""
        self._mark = self._counts.copy()
        self._mark_sum_s = self.sum_s
        self.last_s = self.max_s = 0.0

    def spread(self) -> Spread:
        """Return what was counted since the last reset."""
        mark = self._mark
        counts = self._counts.copy() if mark is None else [a - b for a, b in zip(self._counts, mark, strict=True)]
        sums = list(accumulate(counts))
        count = sums[-1]
        return Spread(
            name=self.name,
            count=count,
            mean_s=max(0.0, self.sum_s - self._mark_sum_s) / count if count else 0.0,
            p50_s=min(self.max_s, _quantile(sums, 0.50)),
            p99_s=min(self.max_s, _quantile(sums, 0.99)),
            max_s=self.max_s,
            last_s=self.last_s,
        )


class Histograms:
    """Histograms by name: of names beyond `most`, all count as `other`, so that memory is bounded whoever names."""

    def __init__(self, most: int, ticks: Ticks = time.perf_counter, *, bound_s: float = inf) -> None:
        self._most = most
        self._ticks = ticks
        self._bound_s = bound_s
        self._known: dict[str, Histogram] = {}

    def __getitem__(self, name: str) -> Histogram:
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= self._most:
                name = OTHER
            found = Histogram(self._ticks, name=name, bound_s=self._bound_s)
            found = self._known.setdefault(name, found)
        return found

    def items(self) -> list[tuple[str, Histogram]]:
        """Return what is there now, in the order first seen."""
        return list(self._known.items())

    def reset(self) -> None:
        """Let all spreads begin now."""
        for histogram in list(self._known.values()):
            histogram.reset()

    def spreads(self) -> list[Spread]:
        """Return those that counted anything since the last reset, in the order first seen."""
        found = [histogram.spread() for _, histogram in self.items()]
        return [spread for spread in found if spread.count]


class Vitals:
    """All that is measured of one gpuqd, `since` a time in Unix seconds (of the start, or the last reset).

    `passes`: parts of scheduling, by kind: `plan`, `plan when asked`, `read anew`, `shares`, `start` (the commit).
    `commits`: by database, from the first write to durable; `writes` counts what was in them.
    `messages`: tries to tell owners of their jobs, by kind and result.
    `queries`: by database. `slow`: statements of at least 10 ms, by their text.
    `routes`: requests until their answer begins, by method and template; `errors` counts answers of 500 and more by
    the same names, `refused` those of 400 to 499. `in_flight` are requests not yet answered whole, `streaming` those of
    them whose answer has begun.
    `lag`: how late the event loop wakes. `looks`: reading what a job has written; `point_age`: how old the newest of
    the points was by its own time when it was stored.
    """

    def __init__(self, since: float = 0.0, ticks: Ticks = time.perf_counter) -> None:
        self.started_at = self.since = since
        self.passes = Histograms(16, ticks, bound_s=STALL_S)
        self.commits = Histograms(4, ticks, bound_s=STALL_S)
        self.queries = Histograms(4, ticks, bound_s=STALL_S)
        self.slow = Histograms(32, ticks)
        self.routes = Histograms(128, ticks)
        self.lag = Histogram(ticks, name="lag")
        self.looks = Histogram(ticks, name="look at a job's files")
        self.point_age = Histogram(ticks, name="age of the newest point")
        self.writes = 0
        self.messages = Counter[tuple[str, str]]()
        self.in_flight = 0
        self.streaming = 0
        self.errors = Counter[str]()
        self.refused = Counter[str]()

    def reset(self, now: float) -> None:
        """Let all spreads begin now; totals go on."""
        self.since = now
        for one in (self.passes, self.commits, self.queries, self.slow, self.routes):
            one.reset()
        for one in (self.lag, self.looks, self.point_age):
            one.reset()

    def note_statement(self, text: str, seconds: float) -> None:
        """Keep a statement's name if it was slow."""
        if seconds >= SLOW_S:
            self.slow[" ".join(text.split())[:200]].record(seconds)


def _edge(index: int) -> float:
    doubling, step = divmod(index, _STEPS)
    return ldexp(1.0 + step / _STEPS, doubling + _LEAST_EXPONENT)


_EDGES = [_edge(index) for index in range(1, _BUCKETS + 1)]  # of each bucket the upper one


def _quantile(sums: list[int], q: float) -> float:
    """Return the middle of the bucket in which the smallest duration lies that a part `q` of all do not exceed."""
    if not sums[-1]:
        return 0.0
    index = bisect_left(sums, ceil(q * sums[-1]))
    return (_edge(index) + _edge(index + 1)) / 2
