"""Points come out of their blobs as they went in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.series.chunk import layout, pack, pack_histogram, unpack, unpack_histogram, value_at
from gpuq_daemon.series.points import HistogramPoint

steps = st.integers(-(2**63), 2**63 - 1)
times = st.floats(allow_nan=False, allow_infinity=False)


def scalar_points(width: int) -> st.SearchStrategy[list[tuple[int, float, float]]]:
    """Points whose values have `width` bits."""
    return st.lists(st.tuples(steps, times, st.floats(width=64 if width == 64 else 32)), min_size=1, max_size=50)


@given(scalar_points(32))
def test_points_of_floats_take_20_bytes_and_come_back(points: list[tuple[int, float, float]]) -> None:
    blob = pack(points)

    assert len(blob) == 20 * len(points)
    assert repr(unpack(blob, len(points))) == repr(points)


@given(scalar_points(64))
def test_points_of_doubles_come_back_exactly(points: list[tuple[int, float, float]]) -> None:
    blob = pack(points)

    assert repr(unpack(blob, len(points))) == repr(points)
    assert repr([value_at(blob, len(points), i) for i in range(len(points))]) == repr([p[2] for p in points])


def test_a_value_that_is_no_float_widens_its_chunk() -> None:
    assert len(pack([(1, 1.0, 1 / 3)])) == 24
    assert len(pack([(1, 1.0, 0.5), (1, 1.0, math.nan), (1, 1.0, -math.inf)])) == 60


def a_histogram(step: int, time: float, pairs: list[tuple[float, float]], end: float) -> HistogramPoint:
    edges = (*(edge for edge, _ in pairs), end) if pairs else ()
    return HistogramPoint(step=step, wall_time=time, edges=edges, counts=tuple(count for _, count in pairs))


@given(st.builds(a_histogram, steps, times, st.lists(st.tuples(times, times), max_size=20), times))
def test_histograms_come_back(point: HistogramPoint) -> None:
    assert unpack_histogram(pack_histogram(point)) == point


@pytest.mark.parametrize("blob", [b"", b"x" * 19, b"x" * 41])
def test_a_blob_of_another_length_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="is no"):
        layout(blob, 1)
    with pytest.raises(ValueError, match="is no"):
        unpack_histogram(blob)
