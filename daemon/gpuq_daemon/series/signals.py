"""What the points of a training say of how it goes: a loss that is NaN, explodes or does not fall, a rank that is slow.

Each is said once for an attempt and a rank. numpy is only used on points that were read in bulk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isnan
from statistics import median

from gpuq.models import Signal, SignalKind
from gpuq.summaries import SAMPLED, SeriesKind
from gpuq.text import clean, fit
from gpuq.units import number
from gpuq_daemon.series.points import ScalarColumns, ScalarPoint, ScalarPoints, SeriesKey
from gpuq_daemon.series.standing import is_loss

FIRST_POINTS = 10
EXPLODED_TIMES = 10.0
"""A loss has exploded where it is so many times the largest of its first points."""
NO_PROGRESS_STEPS = 10_000
SLOW_SHARE = 0.7
"""A rank is slow below this share of the pace of the others."""
_WINDOW = 50
_FEWEST = 5


@dataclass(slots=True)
class _Loss:
    """What was seen of one loss: where it began, and its best value."""

    seen: int = 0
    highest_first: float = 0.0
    best: float = inf
    best_step: int = 0
    is_told: bool = False


@dataclass(slots=True, kw_only=True)
class Signals:
    """Watches one attempt's points as they come.

    `no_progress_steps`: so many steps without a better loss are told. What was told once is not told again.
    """

    attempt: int
    no_progress_steps: int = NO_PROGRESS_STEPS
    told: set[tuple[SignalKind, int]] = field(default_factory=set[tuple[SignalKind, int]])
    _losses: dict[SeriesKey, _Loss] = field(default_factory=dict[SeriesKey, _Loss])
    _recent: dict[SeriesKey, deque[tuple[int, float]]] = field(
        default_factory=dict[SeriesKey, "deque[tuple[int, float]]"]
    )

    def look(self, scalars: Mapping[SeriesKey, ScalarPoints]) -> list[Signal]:
        """Take in new points and return what they say that was not said before."""
        found: list[Signal] = []
        for key, points in scalars.items():
            if key.kind is not SeriesKind.SCALAR or key.run == SAMPLED or not len(points):
                continue
            recent = self._recent.setdefault(key, deque(maxlen=_WINDOW))
            recent.extend((step, at) for step, at, _ in points.newest(_WINDOW))
            if is_loss(key.tag):
                found += self._of_loss(key, points)
        return [*found, *self._slow_ranks()]

    def _of_loss(self, key: SeriesKey, points: ScalarPoints) -> Iterator[Signal]:
        loss = self._losses.setdefault(key, _Loss())
        named = fit(clean(key.tag), 60)
        for step, at, value in _that_matter(points, loss):
            if not isfinite(value):
                what = "NaN" if isnan(value) else "infinite"
                yield from self._once(SignalKind.NAN, key, step, at, f"{named} is {what} at step {step}")
                continue
            if loss.seen < FIRST_POINTS:
                loss.seen += 1
                loss.highest_first = max(loss.highest_first, abs(value))
            elif value > EXPLODED_TIMES * loss.highest_first:
                text = f"{named} has grown to {number(value)} at step {step}; it began at {number(loss.highest_first)}"
                yield from self._once(SignalKind.EXPLODED, key, step, at, text)
            if value < loss.best:
                loss.best, loss.best_step = value, step
            elif loss.best_step > step:
                loss.best_step = step  # the training went back
            if step - loss.best_step >= self.no_progress_steps:
                text = f"{named} has not been below {number(loss.best)} since step {loss.best_step}, now at step {step}"
                yield from self._once(SignalKind.NO_PROGRESS, key, step, at, text)

    def _slow_ranks(self) -> Iterator[Signal]:
        """Yield ranks whose steps come much slower than the other ranks' of the same tag."""
        by_tag: dict[tuple[str, str], list[tuple[float, SeriesKey]]] = {}
        for key, recent in self._recent.items():
            rate = _rate(recent)
            if rate is not None:
                by_tag.setdefault((key.run, key.tag), []).append((rate, key))
        for rates in by_tag.values():
            if len(rates) < 2:
                continue
            usual = median(rate for rate, _ in rates) if len(rates) > 2 else max(rate for rate, _ in rates)
            for rate, key in rates:
                if rate < SLOW_SHARE * usual:
                    step, at = self._recent[key][-1]
                    text = f"rank {key.rank} makes {number(rate)} steps/s, the others {number(usual)}"
                    yield from self._once(SignalKind.SLOW_RANK, key, step, at, text)

    def _once(self, kind: SignalKind, key: SeriesKey, step: int, at: float, text: str) -> list[Signal]:
        who = (kind, key.rank)
        if who in self.told:
            return []
        self.told.add(who)
        return [Signal(kind=kind, attempt=self.attempt, rank=key.rank, tag=key.tag, step=step, wall_time=at, text=text)]


def _that_matter(points: ScalarPoints, loss: _Loss) -> Iterator[ScalarPoint]:
    """Yield the points that can say something: all, or of those read in bulk the first, the odd, the best and the last.

    What is odd is judged by the first ones, which whoever iterates has taken in by then.
    """
    if not points.has_columns:
        yield from points
        return
    import numpy as np

    columns = points.columns()
    first = min(FIRST_POINTS - loss.seen, len(columns))
    yield from _rows(columns, range(first))
    values = columns.values[first:]
    if not len(values):
        return
    is_finite = np.isfinite(values)
    finite = np.where(is_finite, values, inf)
    odd = np.flatnonzero(~is_finite | (values > EXPLODED_TIMES * loss.highest_first))[:1]
    picked = np.unique(np.concatenate([odd, [int(finite.argmin()), len(values) - 1]]))
    yield from _rows(columns, (first + int(i) for i in picked))


def _rows(columns: ScalarColumns, places: Iterable[int]) -> Iterator[ScalarPoint]:
    return ((int(columns.steps[i]), float(columns.wall_times[i]), float(columns.values[i])) for i in places)


def _rate(recent: Sequence[tuple[int, float]]) -> float | None:
    """Return steps a second over the newest points; None where there are too few to tell."""
    if len(recent) < _FEWEST:
        return None
    (first, began), (last, ended) = recent[0], recent[-1]
    return (last - first) / (ended - began) if ended > began and last > first else None
