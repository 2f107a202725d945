"""Many points into few columns, without losing a spike.

numpy is imported on first use: a daemon that nobody asks for a curve does without its 20 MB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gpuq_daemon.series.chunk import layout
from gpuq_daemon.series.smooth import smooth

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpuq_daemon.series.smooth import Floats

Axis: TypeAlias = Literal["step", "wall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """All points of a series as arrays of one length, in the order in which they were written."""

    steps: Floats
    wall_times: Floats
    values: Floats

    @property
    def whole_steps(self) -> NDArray[np.int64]:
        """The steps as whole numbers; the very largest ones there are become a little smaller."""
        import numpy as np

        return np.clip(self.steps, -(2.0**63), 2.0**63 - 1024).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """A curve of few columns, by x; see `gpuq.summaries.Curve` for the fields."""

    steps: tuple[float, ...] = ()
    wall_times: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    last: tuple[float, ...] = ()
    smoothed: tuple[float, ...] = ()
    nans: tuple[int, ...] = ()
    count: int = 0
    nan_count: int = 0


def unpacked(chunks: Iterable[tuple[bytes, int]], total: int) -> Columns:
    """Return the points of `chunks`, each a blob and its count of points, one after the other; `total` in all.

    They are best read while this goes: a blob that was just read is in the processor's cache, and its memory that of
    the next.

    Raises:
        ValueError: a blob is not that of so many points, or they are not so many in all.
    """
    import numpy as np

    steps, wall_times, values = np.empty(total), np.empty(total), np.empty(total)
    at = 0
    for blob, count in chunks:
        form, end = layout(blob, count), at + count
        steps[at:end] = np.frombuffer(blob, "<i8", count, form.steps)
        wall_times[at:end] = np.frombuffer(blob, "<f8", count, form.wall_times)
        values[at:end] = np.frombuffer(blob, "<" + form.value_code, count, form.values)
        at = end
    if at != total:
        raise ValueError(f"{at} points are not {total}")
    return Columns(steps=steps, wall_times=wall_times, values=values)


def thin(
    points: Columns,
    columns: int,
    x: Axis = "step",
    smoothing: float = 0.0,
    *,
    begin: float | None = None,
    end: float | None = None,
) -> Thinned:
    """Return `points` in at most `columns` columns of equal width along `x`, with the extremes of each.

    Points are taken in the order of x; at the same x (a restart writes its steps again) in the order written,
    so that `last` is the newest. A series of no more than `columns` points is returned whole, one column a
    point. Smallest and largest are of the finite values; a column without any has NaN in both. `nan_count`
    counts what is not finite. The place of a column is that of its last point. With `smoothing`, the weight of the
    past, `smoothed` has the average at that point. Of a part of the axis, `begin` and `end` included, only its points
    are told and counted; the average is still over all of them.
    """
    import numpy as np

    along = points.steps if x == "step" else points.wall_times
    count = len(along)
    if count == 0:
        return Thinned()
    points = _ordered(points, along)
    average: Floats | None = smooth(points.values, smoothing) if smoothing else None
    if begin is not None or end is not None:
        points, average = _part(points, average, x, begin, end)
        count = len(points.steps)
        if count == 0:
            return Thinned()
    along = points.steps if x == "step" else points.wall_times
    starts = np.arange(count) if count <= columns else _starts(along, max(columns, 1))
    ends = np.append(starts[1:], count) - 1
    is_finite = np.isfinite(points.values)
    is_whole = bool(is_finite.all())
    finite = points.values if is_whole else np.where(is_finite, points.values, np.nan)
    return Thinned(
        steps=tuple(points.steps[ends].tolist()),
        wall_times=tuple(points.wall_times[ends].tolist()),
        low=tuple(np.fmin.reduceat(finite, starts).tolist()),
        high=tuple(np.fmax.reduceat(finite, starts).tolist()),
        last=tuple(points.values[ends].tolist()),
        smoothed=() if average is None else tuple(average[ends].tolist()),
        nans=() if is_whole else tuple(np.add.reduceat(~is_finite, starts, dtype=np.int64).tolist()),
        count=count,
        nan_count=int(count - np.count_nonzero(is_finite)),
    )


def _ordered(points: Columns, along: Floats) -> Columns:
    """Return the points by x, equal x in the order written."""
    import numpy as np

    if bool(np.all(along[1:] >= along[:-1])):
        return points
    order = np.argsort(along, kind="stable")
    return Columns(steps=points.steps[order], wall_times=points.wall_times[order], values=points.values[order])


def _part(
    points: Columns, average: Floats | None, x: Axis, begin: float | None, end: float | None
) -> tuple[Columns, Floats | None]:
    """Return the points from `begin` to `end` along x, by which they are sorted, and their averages."""
    along = points.steps if x == "step" else points.wall_times
    first = 0 if begin is None else int(along.searchsorted(begin, side="left"))
    last = len(along) if end is None else int(along.searchsorted(end, side="right"))
    part = Columns(
        steps=points.steps[first:last], wall_times=points.wall_times[first:last], values=points.values[first:last]
    )
    return part, None if average is None else average[first:last]


def _starts(along: Floats, columns: int) -> NDArray[np.int64]:
    """Return where each column that has points begins; `along` is sorted and not empty."""
    import numpy as np

    # Halved, so that the width of the whole range of floats is one.
    first, last = along[0] / 2, along[-1] / 2
    edges: Floats = np.linspace(first, last, columns, endpoint=False, dtype=np.float64) * 2
    edges[0] = along[0]
    return np.unique(np.searchsorted(along, edges, side="left"))
