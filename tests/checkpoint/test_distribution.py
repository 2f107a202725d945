"""Numbers summed up chunk by chunk, against numpy's way over all at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpuq_daemon.checkpoint.distribution import distribution

floats = st.floats(width=32) | st.sampled_from([0.0, -0.0, float("nan"), float("inf")])


def cut(values: NDArray[np.float64], at: list[int]) -> list[NDArray[np.float64]]:
    """Return values in pieces."""
    return np.split(values, sorted(place % (len(values) + 1) for place in at))


@given(st.lists(floats, max_size=60), st.lists(st.integers(0, 100), max_size=4), st.integers(1, 12))
def test_it_is_what_numpy_finds_wherever_the_chunks_are_cut(numbers: list[float], at: list[int], bins: int) -> None:
    values = np.array(numbers, np.float64)
    finite = values[np.isfinite(values)]

    found = distribution(lambda: cut(values, at), bins)

    assert (found.count, found.finite, found.nans) == (len(values), len(finite), int(np.isnan(values).sum()))
    assert found.infinities == int(np.isinf(values).sum())
    assert found.zeros == int((values == 0).sum())
    assert sum(found.counts) == len(finite)
    if len(finite):
        assert (found.low, found.high) == (finite.min(), finite.max())
        scale = max(1.0, float(np.abs(finite).max()))
        assert found.mean == pytest.approx(finite.mean(), abs=1e-9 * scale)
        assert found.std == pytest.approx(finite.std(), rel=1e-6, abs=1e-7 * scale)


def test_bins_are_those_of_a_histogram() -> None:
    values = np.random.default_rng(5).normal(size=10_000)

    found = distribution(lambda: np.array_split(values, 7), 13)

    assert found.counts == tuple(np.histogram(values, bins=13)[0])


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2"])
def test_every_type_of_number_is_counted(dtype: str) -> None:
    values = np.array([0, 1, 1, 0, 1], dtype)

    found = distribution(lambda: [values], 2)

    assert (found.zeros, found.counts, found.mean) == (2, (2, 3), 0.6)


def test_the_widest_range_has_bins() -> None:
    values = np.array([-1.7e308, 0.0, 1.7e308])

    assert distribution(lambda: [values], 3).counts == (1, 1, 1)


def test_nothing_has_no_mean() -> None:
    found = distribution(lambda: [np.zeros(0)], 3)

    assert (found.count, found.counts, np.isnan(found.mean)) == (0, (0, 0, 0), True)
