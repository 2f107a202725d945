"""What is pure of removing what is old: how charges are spread over days, and which time is sure to have come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.policy.rollup import by_day
from gpuq_daemon.policy.sure_time import AWAY_S, SETTLED_S, advance, begin

DAY = 86_400.0


@given(st.floats(0, 4e9), st.floats(-DAY, 30 * DAY), st.integers(0, 2**60))
def test_parts_by_day_add_up_exactly_and_none_is_negative(started_at: float, length: float, amount: int) -> None:
    parts = by_day(started_at, started_at + length, amount)

    assert sum(parts.values()) == amount
    assert min(parts.values()) >= 0
    assert max(parts) == int((started_at + length) // DAY)


def test_a_charge_is_spread_by_time() -> None:
    assert by_day(1.75 * DAY, 4.25 * DAY, 1000) == {1: 100, 2: 400, 3: 400, 4: 100}
    assert by_day(2 * DAY, 2.5 * DAY, 7) == {2: 7}
    assert by_day(0.0, 1e9, 7) == {int(1e9 // DAY): 7}  # a clock that was wrong


def test_a_clock_that_goes_evenly_is_believed_and_one_that_is_set_back_too() -> None:
    sure = begin(None, 1000.0, 5.0)
    assert advance(sure, 1600.0, 605.0).at == 1600.0
    assert advance(sure, 400.0, 605.0).at == 400.0


@pytest.mark.parametrize("jump", [3600.0, 365 * DAY])
def test_a_clock_that_is_set_forward_is_believed_after_a_day_only(jump: float) -> None:
    sure = begin(None, 1000.0, 0.0)
    uptime = 0.0
    while uptime < SETTLED_S:
        uptime += 600.0
        sure = advance(sure, 1000.0 + jump + uptime, uptime)
        assert sure.at == 1000.0 + uptime
    uptime += 600.0

    assert advance(sure, 1000.0 + jump + uptime, uptime).at == 1000.0 + jump + uptime
    assert advance(sure, 1000.0 + uptime, uptime).at == 1000.0 + uptime  # or was set right again


def test_after_a_start_a_clock_is_believed_if_gpuqd_was_not_away_for_long() -> None:
    assert begin(1000.0, 1000.0 + AWAY_S, 5.0).at == 1000.0 + AWAY_S

    sure = begin(1000.0, 1001.0 + AWAY_S, 5.0)
    assert sure.at == 1000.0
    assert advance(sure, 1001.0 + AWAY_S + 600, 605.0).at == 1600.0
    assert advance(sure, 1001.0 + AWAY_S + SETTLED_S, 5.0 + SETTLED_S).at == 1001.0 + AWAY_S + SETTLED_S


@given(st.lists(st.tuples(st.floats(0, DAY), st.floats(-1e6, 1e9)), max_size=30))
def test_nothing_is_sure_that_the_clock_does_not_say(looks: list[tuple[float, float]]) -> None:
    sure, uptime = begin(None, 0.0, 0.0), 0.0
    for passed, clock in looks:
        uptime += passed
        before, sure = sure, advance(sure, clock, uptime)
        assert sure.at <= clock
        assert sure.at <= before.at + passed + 60.0 or sure.at == clock
