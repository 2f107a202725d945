"""Usage is conserved: it does not matter when, how often or in which order it is charged and decayed."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq_daemon.policy.billing import Billing, parse_weights
from gpuq_daemon.policy.usage import (
    Charge,
    Usage,
    back_to_due_s,
    charged,
    checked_half_life,
    decayed,
    merged,
    period_start,
    standing,
    total,
    within,
)

H = 7 * 86400.0
times = st.floats(0, 60 * 86400)
amounts = st.floats(0, 1e9)


def near(one: float, other: float) -> bool:
    """Return whether two sums of floats are the same sum."""
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


def test_half_is_left_after_a_half_life():
    assert decayed(Usage(amount=8.0, at=100.0), 100.0 + 3 * H, H) == Usage(amount=1.0, at=100.0 + 3 * H)


@given(amounts, st.lists(times, min_size=1))
def test_it_does_not_matter_how_often_usage_is_decayed(amount: float, stops: list[float]):
    usage = Usage(amount=amount)
    for at in sorted(stops):
        usage = decayed(usage, at, H)

    assert near(usage.amount, decayed(Usage(amount=amount), max(stops), H).amount)


@given(st.floats(0, 100), times, times, times, times)
def test_an_attempt_cut_in_two_costs_the_same(rate: float, a: float, b: float, c: float, later: float):
    since, between, until = sorted((a, b, c))
    at = until + later

    whole = charged(Charge(rate=rate, since=since, until=until), at, H)
    first = charged(Charge(rate=rate, since=since, until=between), between, H)  # a restart lies between
    second = charged(Charge(rate=rate, since=between, until=until), until, H)

    assert near(merged(first, second, H).amount, charged(Charge(rate=rate, since=since, until=until), until, H).amount)
    assert near(decayed(merged(first, second, H), at, H).amount, whole.amount)


@given(st.lists(st.tuples(amounts, times), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_merging_does_not_matter(parts: list[tuple[float, float]], random: object):
    usages = [Usage(amount=amount, at=at) for amount, at in parts]
    at = max((usage.at for usage in usages), default=0.0)

    one, other = Usage(), Usage()
    for usage in usages:
        one = merged(one, usage, H)
    for usage in reversed(usages):
        other = merged(usage, other, H)

    assert near(decayed(one, at, H).amount, total(usages, at, H).amount)
    assert near(decayed(other, at, H).amount, total(usages, at, H).amount)


@given(st.floats(0.1, 100), st.just(0.0) | st.floats(1e-6, 90 * 86400), times)
def test_a_running_job_counts_what_it_would_if_it_ended_now(rate: float, ran: float, start: float):
    now = start + ran
    running = standing({}, [(("a", "u"), Charge(rate=rate, since=start))], at=now, half_life_s=H)

    assert running["a", "u"] == charged(Charge(rate=rate, since=start, until=now), now, H).amount
    assert running["a", "u"] <= rate * (now - start) * (1 + 1e-9)


def test_long_ago_is_forgotten_and_a_short_stretch_is_not_rounded_away():
    assert charged(Charge(rate=1.0, since=0.0, until=1e6), 1e12, H).amount == 0.0
    assert near(charged(Charge(rate=1.0, since=0.0, until=1e-3), 1e-3, H).amount, 1e-3)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 3599.0, float("nan"), float("inf"), 1e12])
def test_a_half_life_that_makes_fair_share_void_is_refused(seconds: float):
    with pytest.raises(UsageError, match="half-life"):
        checked_half_life(seconds)


def test_a_week_is_a_good_half_life():
    assert checked_half_life(H) == H


@given(st.floats(0.05, 0.95), st.floats(1, 1e8), st.floats(0, 1e8), st.floats(0.1, 1000))
def test_who_waits_that_long_is_back_to_due(due: float, usage: float, others: float, rate: float):
    wait = back_to_due_s(due=due, usage=usage, others=others, others_rate=rate, half_life_s=H)

    assert wait is not None
    mine = decayed(Usage(amount=usage), wait, H).amount
    theirs = decayed(Usage(amount=others), wait, H).amount + charged(Charge(rate=rate, since=0.0), wait, H).amount
    if wait == 0:
        assert usage <= due * (usage + others) * (1 + 1e-9)
    else:
        assert isclose(mine, due * (mine + theirs), rel_tol=1e-6)


def test_nobody_is_back_to_due_while_nobody_else_runs():
    assert back_to_due_s(due=0.5, usage=2.0, others=1.0, others_rate=0.0, half_life_s=H) is None


def test_hours_in_a_period_are_those_inside_it():
    charges = [Charge(rate=2.0, since=0.0, until=50.0), Charge(rate=1.0, since=90.0)]

    assert within(charges, 40.0, 100.0) == 2.0 * 10 + 10
    assert period_start(1000.0, 300.0) == 900.0


def test_a_charge_is_the_sum_of_the_billing_weights():
    billing = Billing(gpu_types=parse_weights("a100=1.0, v100=0.4"), cpu=0.1, memory_gib=0.01)

    rate = billing.rate({"a100": 2, "v100": 5, "other": 1}, cpus=10, memory_mib=102400, usage_factor=0.5)

    assert near(rate, 0.5 * (2.0 + 2.0 + 1.0 + 1.0 + 1.0))


@pytest.mark.parametrize("text", ["a100", "a100=x", "=1", "a100=-1", "a100=nan"])
def test_a_wrong_weight_is_refused(text: str):
    with pytest.raises(UsageError, match="billing weight"):
        parse_weights(text)
