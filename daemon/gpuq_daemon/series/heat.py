"""Distributions over steps in bins that are the same for all, so that they can be drawn beside each other.

numpy is imported on first use, as in `thin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpuq_daemon.series.points import HistogramPoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDEST = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """`counts[i][k]` of the numbers of distribution i lie in bin k of equally wide ones from `low` to `high`.

    Both are None, and counts empty, where no distribution holds a number.
    """

    low: float | None
    high: float | None
    counts: tuple[tuple[float, ...], ...]


def heat(points: Sequence[HistogramPoint], bins: int) -> Heat:
    """Return the distributions in `bins` bins over the range of all numbers.

    A bucket's count is shared out by width; one without width goes to the bin that it lies in. Buckets with edges
    that are no numbers are left out.
    """
    import numpy as np

    found = [_occupied(point) for point in points]
    lows = [left.min() for left, _, _ in found if len(left)]
    highs = [right.max() for _, right, _ in found if len(right)]
    if not lows:
        return Heat(low=None, high=None, counts=tuple(() for _ in points))
    low, high = float(min(lows)), float(max(highs))
    edges: NDArray[np.float64] = np.linspace(low, high, bins + 1, dtype=np.float64)
    return Heat(low=low, high=high, counts=tuple(tuple(_shared(*one, edges).tolist()) for one in found))


def _occupied(
    point: HistogramPoint,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return left edges, right edges and counts of the buckets that hold something."""
    import numpy as np

    edges, counts = np.array(point.edges, np.float64), np.array(point.counts, np.float64)
    left, right = edges[:-1], edges[1:]
    if not len(counts):
        return left, right, counts
    # comparisons with NaN are false
    holds = (counts > 0) & (counts < _WIDEST) & (left >= -_WIDEST) & (right <= _WIDEST) & (left <= right)
    return left[holds], right[holds], counts[holds]


def _shared(
    left: NDArray[np.float64], right: NDArray[np.float64], counts: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much of the buckets lies in each bin between `edges`."""
    import numpy as np

    bins = len(edges) - 1
    shared = np.zeros(bins)
    wide = right > left
    place = np.clip(np.searchsorted(edges, left[~wide], side="right") - 1, 0, bins - 1)
    np.add.at(shared, place, counts[~wide])
    if wide.any():
        left, right, counts = left[wide], right[wide], counts[wide]
        # of each bucket, the share that lies below each edge
        below = (np.clip(edges[:, None], left, right) - left) / (right - left)
        below[-1] = 1.0
        shared += np.diff(below @ counts)
    return shared
