"""Charts hold what the curve holds, within the size asked for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.chart import ChartOptions, draw, labels, legend, smoothed
from gpuq.scale import axis, log_ticks, tick_labels, ticks, time_ticks
from gpuq_daemon.drawing import curves as drawing
from tests.support.fake_daemon import a_curve

VALUES = st.lists(st.floats(allow_infinity=False), max_size=60)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(24, 120), st.integers(6, 30), st.booleans(), st.booleans(), st.booleans())
def test_any_curve_is_drawn_within_its_size(
    values: list[float], width: int, height: int, is_ascii: bool, log_y: bool, is_smooth: bool
) -> None:
    options = ChartOptions(
        width=width, height=height, is_ascii=is_ascii, log_y=log_y, smooth=0.6 * is_smooth, title="lö" * 99
    )

    text = draw([a_curve(values)], options)

    assert len(text.split("\n")) == height
    assert all(len(line) <= width for line in text.split("\n"))
    assert "\x1b" not in text
    assert text.isascii() or not is_ascii


def test_a_spike_of_one_step_is_seen() -> None:
    flat = [1.0] * 100
    spiked = [*flat[:50], 9.0, *flat[51:]]
    options = ChartOptions(width=60, height=10, is_ascii=True)

    assert draw([a_curve(flat)], options) != draw([a_curve(spiked)], options)
    assert draw([a_curve(spiked)], options).count("\n *") == 0
    assert any("*" in line for line in draw([a_curve(spiked)], options).split("\n")[1:4])


def test_nothing_to_draw_is_said() -> None:
    assert "no points yet" in draw([a_curve([])], ChartOptions())
    assert "logarithmic" in draw([a_curve([-1.0, 0.0])], ChartOptions(log_y=True))


def test_colour_is_there_only_if_asked_for() -> None:
    curves = [a_curve([1.0, 2.0]), a_curve([2.0, 1.0], job_id=13)]

    assert "\x1b[" in draw(curves, ChartOptions(color=True))
    assert "\x1b[" not in draw(curves, ChartOptions())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.2, 0.4, 0.6], ["0.2", "0.4", "0.6"]),
        ([0.0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([0.0, 2.5, 5.0], ["0.0", "2.5", "5.0"]),
        ([0.0, 133.33, 266.67], ["0", "133", "267"]),
        ([500.0, 1000.0], ["500", "1000"]),
    ],
)
def test_numbers_beside_an_axis_are_as_exact_as_it_needs(values: list[float], told: list[str]) -> None:
    assert tick_labels(values) == told


def test_labels_say_what_differs() -> None:
    assert labels([a_curve([1.0])]) == ["loss"]
    assert labels([a_curve([1.0]), a_curve([1.0], job_id=13, rank=1, run="train")]) == [
        "12 loss rank 0",
        "13 loss rank 1 train",
    ]


def test_the_legend_counts_nan_and_does_not_hide_it() -> None:
    line = legend(a_curve([1.0, math.nan]), "lo\x1bss", 0, ChartOptions())

    assert line == "lo\\x1bss: last NaN at step 2, min 1, max 1, 2 points, 1 of them NaN or infinite (× below)"


def test_a_loss_that_ends_as_nan_is_marked_to_its_end() -> None:
    text = draw([a_curve([3.0, 2.0, *[math.nan] * 18])], ChartOptions(width=60, height=10, is_ascii=True))

    *_, bottom, _, labels_of_x = text.split("\n")
    assert bottom.count("!") == 18
    assert labels_of_x.split()[-1] == "20"


def test_a_picture_of_a_loss_that_ends_as_nan_has_a_cross_for_each() -> None:
    curve = a_curve([3.0, 2.0, math.nan, math.nan])

    picture = drawing.draw([curve], ["loss"], drawing.Look())

    ends = drawing.draw([a_curve([3.0, 2.0])], ["loss"], drawing.Look())
    assert len(picture.shapes) - len(ends.shapes) >= 2 * 2


def test_smoothing_is_tensorboards() -> None:
    assert smoothed([1.0, 3.0], 0.5) == [1.0, pytest.approx((0.5 * 0.5 + 0.5 * 3) / 0.75)]
    assert smoothed([2.0, None, 2.0], 0.9) == [pytest.approx(2.0), None, pytest.approx(2.0)]


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(2, 20))
def test_ticks_are_few_and_inside(low: float, span: float, count: int) -> None:
    found = ticks(low, low + span, count)

    assert len(found) <= count + 1
    assert found == sorted(found)
    assert all(low <= tick <= low + span for tick in found)


@given(st.floats(0, 1e9), st.floats(1e-6, 1e9), st.integers(2, 20))
def test_times_are_few_and_inside(low: float, span: float, count: int) -> None:
    found = time_ticks(low, low + span, count)

    assert 1 <= len(found) <= count + 1
    assert found == sorted(found)
    assert all(low <= tick <= low + span for tick in found)


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (30 * 86_400.0, ["00:00:00", "10-00:00:00", "20-00:00:00", "30-00:00:00"]),
        (5_400.0, ["00:00:00", "00:30:00", "01:00:00", "01:30:00"]),
        (150.0, ["00:00:00", "00:01:00", "00:02:00"]),
        (0.5, ["00:00:00"]),
    ],
)
def test_times_on_an_axis_are_round_on_a_clock(high: float, expected: list[str]) -> None:
    assert [text for _, text in axis(0.0, high, 3, is_time=True)] == expected


@given(st.floats(-323, 308), st.floats(1e-6, 600), st.integers(2, 20))
def test_a_logarithmic_axis_has_two_labels_at_least(low: float, span: float, count: int) -> None:
    found = log_ticks(low, low + span, count)

    assert 2 <= len(found) <= count + 1
    assert found == sorted(found)
    assert all(low <= tick <= low + span for tick in found)


def test_the_labels_of_a_logarithmic_axis_are_round() -> None:
    text = draw([a_curve([3.0, 0.4])], ChartOptions(log_y=True, is_ascii=True))

    assert [line.split("+")[0].strip() for line in text.split("\n")[1:-2] if "+" in line] == ["2", "1", "0.5"]
