"""A training is silent when it is slower than its own pace explains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.policy.silence import silent_since


def every(seconds: float, count: int) -> list[float]:
    return [1000 + seconds * number for number in range(count)]


@pytest.mark.parametrize(
    ("points", "now", "since"),
    [
        (every(60, 10), 1540 + 300, None),
        (every(60, 10), 1540 + 301, 1540),
        (every(0.1, 10), 1001 + 170, None),  # a writer keeps points back that long
        (every(0.1, 10), 1001 + 190, 1000.9),
        ([at - 500 for at in every(0.1, 10)], 900 + 180, None),  # they were copied from another training
        ([at - 500 for at in every(0.1, 10)], 900 + 181, 900),
        ([], 900 + 1200, None),
        ([], 900 + 1201, 900),
        (every(3600, 3), 8200 + 1201, 8200),
        (every(3600, 6), 19000 + 4 * 3600, None),
    ],
)
def test_silence_is_five_steps_or_too_long_without_a_pace(points: list[float], now: float, since: float | None) -> None:
    found = silent_since(now, 900, points, 1200)

    assert found == (None if since is None else pytest.approx(since))


@given(st.lists(st.floats(0, 1e9), max_size=40), st.floats(0, 1e9))
def test_who_has_just_spoken_is_not_silent(points: list[float], now: float) -> None:
    assert silent_since(now, 0, [*points, now], 60) is None
