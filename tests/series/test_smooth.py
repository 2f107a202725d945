"""Smoothing is TensorBoard's, point by point."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.series.smooth import smooth


def slowly(values: list[float], weight: float) -> list[float]:
    """Return what TensorBoard's `classicSmoothing` does, as it does it."""
    if all(value == values[0] for value in values):
        return values
    last, count, result = 0.0, 0, list[float]()
    for value in values:
        if not math.isfinite(value):
            result.append(value)
            continue
        last = last * weight + (1 - weight) * value
        count += 1
        result.append(last / (1 - weight**count))
    return result


@given(
    st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=300),
    st.sampled_from([0.1, 0.5, 0.6, 0.9, 0.99, 0.999]),
)
def test_it_is_tensorboards_average(values: list[float], weight: float) -> None:
    found = smooth(np.array(values), weight).tolist()

    assert found == pytest.approx(slowly(values, weight), rel=1e-9, abs=1e-6, nan_ok=True)


def test_a_long_curve_with_much_weight_on_the_past_forgets_nothing() -> None:
    values = [math.sin(i / 50) + i / 3000 for i in range(30_000)]

    assert smooth(np.array(values), 0.999).tolist() == pytest.approx(slowly(values, 0.999), rel=1e-9)


def test_without_a_weight_the_values_stay() -> None:
    assert smooth(np.array([1.0, 5.0]), 0.0).tolist() == [1.0, 5.0]
