"""Thinning loses no extreme, whatever the points are like."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.series.chunk import pack
from gpuq_daemon.series.points import ScalarPoint
from gpuq_daemon.series.thin import Axis, Columns, Thinned, thin, unpacked

steps = st.integers(0, 40) | st.integers(-(2**63), 2**63 - 1)
times = st.floats(allow_nan=False, allow_infinity=False)
points_lists = st.lists(st.tuples(steps, times, st.floats(width=32)), max_size=60)
axes = st.sampled_from(["step", "wall"])


def columns_of(points: list[ScalarPoint]) -> Columns:
    """Return points as the store hands them to `thin`."""
    return unpacked([(pack(points), len(points))] if points else [], len(points))


def slowly(points: list[ScalarPoint], thinned: Thinned, x: Axis) -> list[tuple[float, ...]]:
    """Return the columns again, each from its points one by one; a column ends where `thinned` says."""
    place = 0 if x == "step" else 1
    ordered = sorted(points, key=lambda p: float(p[place]))
    rest, columns = list(ordered), list[tuple[float, ...]]()
    ends = thinned.steps if x == "step" else thinned.wall_times
    for i, end in enumerate(ends):
        is_whole = len(points) == len(ends)
        mine = rest[:1] if is_whole else [p for p in rest if float(p[place]) <= end]
        rest = rest[len(mine) :]
        finite = [p[2] for p in mine if math.isfinite(p[2])]
        low, high = (min(finite), max(finite)) if finite else (math.nan, math.nan)
        columns.append((float(mine[-1][0]), mine[-1][1], low, high, mine[-1][2]))
        assert mine, f"column {i} is empty"
    assert rest == []
    return columns


@given(points_lists, st.integers(1, 20), axes)
def test_every_column_has_the_extremes_and_the_newest_of_its_points(
    points: list[ScalarPoint], columns: int, x: Axis
) -> None:
    thinned = thin(columns_of(points), columns, x)

    assert len(thinned.steps) <= max(columns, 0)
    found = zip(thinned.steps, thinned.wall_times, thinned.low, thinned.high, thinned.last, strict=True)
    # As text, since NaN is not equal to itself; without signs of zero, since either zero may be the smallest.
    assert [repr([v + 0.0 for v in c]) for c in found] == [
        repr([v + 0.0 for v in c]) for c in slowly(points, thinned, x)
    ]
    assert thinned.count == len(points)
    assert thinned.nan_count == sum(not math.isfinite(p[2]) for p in points)


@given(points_lists, st.integers(1, 20), axes)
def test_columns_are_ordered_and_keep_the_extremes_of_the_whole(
    points: list[ScalarPoint], columns: int, x: Axis
) -> None:
    thinned = thin(columns_of(points), columns, x)

    along = thinned.steps if x == "step" else thinned.wall_times
    finite = [p[2] for p in points if math.isfinite(p[2])]
    assert list(along) == sorted(along)
    if finite:
        assert np.nanmin(thinned.low) == min(finite)
        assert np.nanmax(thinned.high) == max(finite)


def test_a_spike_among_a_hundred_thousand_points_stays() -> None:
    points = [(i, float(i), 1.0) for i in range(100_000)]
    points[77_777] = (77_777, 77_777.0, 1000.0)

    thinned = thin(columns_of(points), 200)

    assert max(thinned.high) == 1000.0
    assert len(thinned.steps) == 200


def test_columns_have_equal_width_along_x() -> None:
    points = [(i, float(i), float(i)) for i in range(100)]

    assert thin(columns_of(points), 4).low == (0.0, 25.0, 50.0, 75.0)


def test_a_restart_that_writes_steps_again_is_last_where_it_overlaps() -> None:
    first = [(i, float(i), 1.0) for i in range(100)]
    again = [(i, 200.0 + i, 5.0) for i in range(50, 60)]

    thinned = thin(columns_of([*first, *again]), 10)

    assert thinned.high == (1.0,) * 5 + (5.0,) + (1.0,) * 4
    assert thinned.last[5] == 5.0


def test_a_column_of_nan_only_has_nan() -> None:
    points = [(i, float(i), math.nan if i < 10 else math.inf if i < 20 else 1.0) for i in range(40)]

    thinned = thin(columns_of(points), 4)

    assert [math.isnan(v) for v in thinned.low] == [True, True, False, False]
    assert thinned.nan_count == 20


@pytest.mark.parametrize("far", [1.7976931348623157e308, 5e-324])
def test_no_point_is_lost_at_the_ends_of_the_floats(far: float) -> None:
    points = [(1, -far, 1.0), (2, 0.0, 2.0), (3, far, 3.0)]

    thinned = thin(columns_of(points), 2, "wall")

    assert (min(thinned.low), max(thinned.high)) == (1.0, 3.0)


def test_no_points_are_no_columns() -> None:
    assert thin(columns_of([]), 10) == Thinned()


def test_a_part_of_the_axis_has_its_own_points_and_the_average_of_all() -> None:
    points = columns_of([(i, 100.0 + i, float(i)) for i in range(100)])

    part = thin(points, 200, smoothing=0.5, begin=10, end=12.5)
    whole = thin(points, 200, smoothing=0.5)

    assert part.steps == (10.0, 11.0, 12.0)
    assert part.count == 3
    assert part.smoothed == whole.smoothed[10:13]
    assert thin(points, 200, begin=1000).count == 0
    assert thin(points, 3, "wall", end=102.0).count == 3
