"""What a chart of many points costs in a terminal, once they are thinned."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from gpuq.chart import ChartOptions, draw
from gpuq.summaries import Curve, Series, SeriesKind
from tests.bench.rows import Row

_POINTS = 10_000_000
_COLUMNS = 300  # braille has two in a cell
_AT = ChartOptions(width=150, height=50)
_ROUNDS = 40


def measure() -> list[Row]:
    """Return what a chart costs of which each drawing has new ticks, and what it costs when only the cursor moves."""
    curve = _thinned()
    plain = [replace(_AT, title=str(i)) for i in range(_ROUNDS)]  # a title of its own, so a frame of its own
    moved = [replace(_AT, cursor=curve.steps[i]) for i in range(_ROUNDS)]
    name = f"chart of {_POINTS} points in {_COLUMNS} columns, 150x50"
    return [
        Row(name=name, value=_drawn_ms(curve, plain), unit="ms of CPU", aim="<= 20"),
        Row(name=f"{name}, the cursor moves", value=_drawn_ms(curve, moved), unit="ms of CPU", aim="<= 20"),
    ]


def _drawn_ms(curve: Curve, ways: Sequence[ChartOptions]) -> float:
    spent = list[float]()
    for options in ways:
        begin = time.process_time()
        draw([curve], options)
        spent.append(1000 * (time.process_time() - begin))
    return statistics.median(spent)


def _thinned() -> Curve:
    """Return a loss that falls, with noise, as gpuqd thins it: the smallest and the largest value of each column."""
    chance = random.Random(1)
    last = [2 * math.exp(-i / 100) + 0.3 for i in range(_COLUMNS)]
    spread = [0.2 * chance.random() for _ in last]
    steps = tuple(i * _POINTS / _COLUMNS for i in range(_COLUMNS))
    series = Series(
        job_id=1, attempt=1, rank=0, run=".", tag="loss", kind=SeriesKind.SCALAR,
        count=_POINTS, first_step=0, last_step=_POINTS, last_wall_time=0.0, last_value=last[-1],
    )  # fmt: skip
    return Curve(
        series=series,
        steps=steps,
        wall_times=steps,
        low=tuple(value - by for value, by in zip(last, spread, strict=True)),
        high=tuple(value + by for value, by in zip(last, spread, strict=True)),
        last=tuple(last),
        count=_POINTS,
    )
