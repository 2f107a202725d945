"""What gpuqd measures of itself: little memory, small errors, totals that never fall."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq_daemon.vitals import OTHER, Histogram, Histograms, Vitals

DURATIONS = st.floats(min_value=1e-6, max_value=4000.0)


@settings(deadline=None)
@given(st.lists(DURATIONS, min_size=1), st.sampled_from([0.5, 0.99]))
def test_percentiles_are_true_within_a_sixteenth(durations: list[float], q: float) -> None:
    histogram = Histogram()

    for seconds in durations:
        histogram.record(seconds)

    spread = histogram.spread()
    said = spread.p50_s if q == 0.5 else spread.p99_s
    true = sorted(durations)[ceil(q * len(durations)) - 1]
    assert said == pytest.approx(true, rel=1 / 16 + 1e-9)
    assert spread.count == len(durations)
    assert spread.mean_s == pytest.approx(sum(durations) / len(durations))
    assert (spread.max_s, spread.last_s) == (max(durations), durations[-1])


@settings(deadline=None)
@given(st.lists(DURATIONS), st.integers(min_value=-19, max_value=11))
def test_counts_up_to_a_power_of_two_are_exact(durations: list[float], power: int) -> None:
    histogram = Histogram()

    for seconds in durations:
        histogram.record(seconds)

    assert histogram.at_most([2.0**power]) == [sum(seconds < 2.0**power for seconds in durations)]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9, float("inf")])
def test_what_lies_outside_the_buckets_counts(seconds: float) -> None:
    histogram = Histogram()

    histogram.record(seconds)

    assert histogram.count == 1


def test_after_a_reset_spreads_begin_anew_and_totals_go_on() -> None:
    histogram = Histogram()
    histogram.record(100.0)

    histogram.reset()

    assert histogram.spread().count == histogram.spread().max_s == 0
    histogram.record(0.5)
    assert histogram.spread().mean_s == histogram.spread().max_s == 0.5
    assert (histogram.count, histogram.sum_s) == (2, 100.5)


def test_names_beyond_the_most_count_as_other() -> None:
    histograms = Histograms(2)

    for name in ("a", "b", "c", "d", "a"):
        histograms[name].record(1.0)

    assert {spread.name: spread.count for spread in histograms.spreads()} == {"a": 2, "b": 1, OTHER: 2}


def test_a_block_counts_as_long_as_it_takes_even_when_it_raises() -> None:
    ticks = iter([10.0, 12.5])
    histogram = Histogram(lambda: next(ticks))

    with pytest.raises(ValueError, match="x"), histogram.timed() as timed:
        raise ValueError("x")

    assert timed.seconds == histogram.last_s == 2.5


def test_a_block_that_takes_too_long_is_logged_under_its_name(caplog: pytest.LogCaptureFixture) -> None:
    ticks = iter([0.0, 0.9, 5.0, 6.0])
    histograms = Histograms(4, lambda: next(ticks), bound_s=1.0)

    for name in ("quick", "slow"):
        with histograms[name].timed():
            pass

    assert [vars(record)["what"] for record in caplog.records] == ["slow"]


def test_only_slow_statements_are_named() -> None:
    vitals = Vitals()

    vitals.note_statement("SELECT 1", 0.001)
    vitals.note_statement("SELECT\n  2", 0.5)

    assert [(one.name, one.max_s) for one in vitals.slow.spreads()] == [("SELECT 2", 0.5)]


def test_reset_names_the_time_and_clears_every_spread() -> None:
    vitals = Vitals(since=1.0)
    vitals.routes["GET /v1/jobs"].record(1.0)
    vitals.lag.record(1.0)

    vitals.reset(7.0)

    assert (vitals.since, vitals.routes.spreads(), vitals.lag.spread().count) == (7.0, [], 0)
    assert vitals.routes["GET /v1/jobs"].count == 1
