"""How the numbers of a variable are distributed, counted chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Chunks: TypeAlias = "Callable[[], Iterable[NDArray[Any]]]"
"""Gives the same numbers each time that it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Numbers summed up. `mean`, `std` (of the population), `low` and `high` are of the finite ones, NaN where there
    is none.

    `counts` are of equally wide bins from `low` to `high`, each with its lower edge, the last one with both; they sum
    to `finite`.
    """

    count: int
    finite: int
    zeros: int
    nans: int
    infinities: int
    mean: float
    std: float
    low: float
    high: float
    counts: tuple[int, ...]


def distribution(chunks: Chunks, bins: int) -> Distribution:
    """Return the distribution of all numbers: once over them for what they are, once for the bins."""
    moments = _Moments()
    for chunk in chunks():
        moments.take(chunk)
    counts = _counted(chunks, moments.low, moments.high, bins) if moments.finite else [0] * bins
    has = moments.finite > 0
    return Distribution(
        count=moments.count,
        finite=moments.finite,
        zeros=moments.zeros,
        nans=moments.nans,
        infinities=moments.count - moments.finite - moments.nans,
        mean=moments.mean if has else nan,
        std=sqrt(max(0.0, moments.squares / moments.finite)) if has else nan,
        low=moments.low if has else nan,
        high=moments.high if has else nan,
        counts=tuple(counts),
    )


class _Moments:
    """Sums over chunks. Source: Chan, Golub, LeVeque, Updating Formulae and a Pairwise Algorithm (1979), for mean and
    squares.
    """

    def __init__(self) -> None:
        self.count = self.finite = self.zeros = self.nans = 0
        self.mean = self.squares = 0.0
        self.low, self.high = inf, -inf

    def take(self, chunk: NDArray[Any]) -> None:
        import numpy as np

        self.count += len(chunk)
        self.zeros += len(chunk) - int(np.count_nonzero(chunk))
        values = _finite(chunk)
        if len(values) < len(chunk):
            self.nans += int(np.isnan(chunk).sum())
        if not len(values):
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        with np.errstate(over="ignore"):  # the spread of the very largest numbers is infinite
            mean = float(values.mean(dtype=np.float64))
            squares = float(np.square(values - np.float64(mean)).sum(dtype=np.float64))
        share = len(values) / (self.finite + len(values))
        away = mean - self.mean
        self.mean += away * share
        self.squares += squares + away * away * self.finite * share
        self.finite += len(values)


def _finite(chunk: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if chunk.dtype.kind != "f":
        return chunk
    is_finite = np.isfinite(chunk)
    return chunk if is_finite.all() else chunk[is_finite]


def _counted(chunks: Chunks, low: float, high: float, bins: int) -> list[int]:
    """Return how many numbers lie in each bin. By an index for each: np.histogram's way costs twice that."""
    import numpy as np

    total = np.zeros(bins, np.int64)
    half = 0.5 if high - low == inf else 1.0  # so that the width of the largest range is a number
    scale = bins / (high * half - low * half) if high > low else 0.0
    for chunk in chunks():
        at = ((_finite(chunk).astype(np.float64) * half - low * half) * scale).astype(np.intp)
        total += np.bincount(np.minimum(at, bins - 1), minlength=bins)
    return total.tolist()
