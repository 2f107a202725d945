"""No number is lost on its way into equal bins, whatever the buckets are like."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpuq_daemon.series.heat import heat
from gpuq_daemon.series.points import HistogramPoint

counts_lists = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=8)


def a_point(edges: list[float], counts: list[float]) -> HistogramPoint:
    """Return a distribution at step 1."""
    return HistogramPoint(step=1, wall_time=1.0, edges=tuple(edges), counts=tuple(counts))


@given(
    st.lists(st.tuples(counts_lists, st.floats(-1e3, 1e3), st.floats(0, 10)), min_size=1, max_size=4), st.integers(1, 9)
)
@example([([1.0], 0.0, 2.2e-311), ([1.0], 1.0, 0.0)], 1)
def test_the_bins_of_a_step_hold_as_many_numbers_as_its_buckets(
    distributions: list[tuple[list[float], float, float]], bins: int
) -> None:
    points = [a_point([start + i * width for i in range(len(c) + 1)], c) for c, start, width in distributions]

    found = heat(points, bins)

    for point, counts in zip(points, found.counts, strict=True):
        assert sum(counts) == pytest.approx(sum(point.counts))
        assert all(count >= -1e-9 for count in counts)


def test_a_bucket_is_shared_out_by_width() -> None:
    found = heat([a_point([0.0, 1.0, 4.0], [10.0, 30.0])], 4)

    assert (found.low, found.high, found.counts) == (0.0, 4.0, ((10.0, 10.0, 10.0, 10.0),))


def test_equal_numbers_are_in_one_bin() -> None:
    found = heat([a_point([0.0, 0.0], [7.0]), a_point([-1.0, 1.0], [2.0])], 4)

    assert found.counts == ((0.0, 0.0, 7.0, 0.0), (0.5, 0.5, 0.5, 0.5))


def test_edges_that_are_no_numbers_are_left_out_and_nothing_is_nothing() -> None:
    assert heat([a_point([math.nan, 1.0], [3.0]), a_point([-math.inf, 1.0], [3.0])], 3).low is None
    assert heat([HistogramPoint(step=1, wall_time=1.0, edges=(), counts=())], 3).counts == ((),)
