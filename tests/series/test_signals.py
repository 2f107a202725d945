"""A training that goes wrong is told of once, whatever the batches that its points come in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import Signal, SignalKind
from gpuq.summaries import SeriesKind
from gpuq_daemon.series.points import ScalarColumns, ScalarPoint, ScalarPoints, SeriesKey
from gpuq_daemon.series.signals import Signals


def a_key(tag: str = "loss", rank: int = 0) -> SeriesKey:
    return SeriesKey(rank=rank, run=".", tag=tag, kind=SeriesKind.SCALAR)


def a_course(values: list[float], pace_s: float = 1.0) -> list[ScalarPoint]:
    return [(step, step * pace_s, value) for step, value in enumerate(values)]


def in_bulk(points: list[ScalarPoint]) -> ScalarPoints:
    found = ScalarPoints()
    steps, wall_times, values = zip(*points, strict=True)
    found.add(ScalarColumns(steps=np.array(steps), wall_times=np.array(wall_times), values=np.array(values)))
    return found


def said(points: list[ScalarPoint], sizes: list[int], *, is_bulk: bool = False, tag: str = "loss") -> list[Signal]:
    """Return what is told of points that come in pieces of these sizes, and then the rest."""
    signals, found, rest = Signals(attempt=1, no_progress_steps=40), list[Signal](), points
    for size in [*sizes, len(points)]:
        piece, rest = rest[:size], rest[size:]
        if piece:
            found += signals.look({a_key(tag): in_bulk(piece) if is_bulk else ScalarPoints(piece)})
    return found


@given(st.lists(st.integers(1, 30), max_size=8), st.booleans())
def test_a_loss_that_is_nan_is_told_once_however_its_points_come(sizes: list[int], is_bulk: bool) -> None:
    found = said(a_course([2.0] * 20 + [math.nan] * 30), sizes, is_bulk=is_bulk)

    assert [(s.kind, s.step, s.text) for s in found] == [(SignalKind.NAN, 20, "loss is NaN at step 20")]


@given(st.lists(st.integers(1, 30), max_size=8), st.booleans())
def test_a_loss_that_explodes_is_told_and_one_that_spikes_is_not(sizes: list[int], is_bulk: bool) -> None:
    falling = [3.0 * 0.9**i for i in range(30)]

    exploded = said(a_course([*falling, 31.0, 400.0]), sizes, is_bulk=is_bulk)

    assert [(s.kind, s.step) for s in exploded] == [(SignalKind.EXPLODED, 30)]
    assert said(a_course([*falling, 3.5, *falling[:5]]), sizes, is_bulk=is_bulk) == []


@given(st.lists(st.integers(1, 30), max_size=8), st.booleans())
def test_a_loss_that_falls_no_more_is_told(sizes: list[int], is_bulk: bool) -> None:
    found = said(a_course([1.0 - i / 100 for i in range(50)] + [0.9] * 60), sizes, is_bulk=is_bulk)

    assert [s.kind for s in found] == [SignalKind.NO_PROGRESS]
    assert "since step 49" in found[0].text
    assert said(a_course([1.0 - i / 1000 for i in range(200)]), sizes, is_bulk=is_bulk) == []


def test_other_tags_may_be_what_they_are() -> None:
    assert said(a_course([math.nan, math.inf, *[1.0] * 30, 1e9]), [], tag="accuracy") == []


@pytest.mark.parametrize(("pace_s", "slow"), [(1.0, []), (1.2, []), (2.0, [1])])
def test_a_rank_whose_steps_come_slower_is_named(pace_s: float, slow: list[int]) -> None:
    signals = Signals(attempt=1)
    points = {
        a_key("accuracy", rank): ScalarPoints(a_course([0.5] * 30, pace_s if rank == 1 else 1.0)) for rank in range(3)
    }

    found = [*signals.look(points), *signals.look(points)]

    assert [(s.kind, s.rank) for s in found] == [(SignalKind.SLOW_RANK, rank) for rank in slow]


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    signals = Signals(attempt=1, told={(SignalKind.NAN, 0)})

    assert signals.look({a_key(): ScalarPoints([(1, 1.0, math.nan)])}) == []
