"""Axes: from values to places along them, and the round numbers that are written beside them."""

from __future__ import annotations

import math
import sys

from gpuq.units import duration, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.summaries import Curve

_RESOLUTION = 1e-9
_DAY_S = 86_400.0
_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
X_AXES = ("step", "wall", "relative")
"""What a curve may be drawn along: its steps, the time since the first point of all curves, or since its own."""


def along(x: str, wall_times: Sequence[float], steps: Sequence[float], start: float) -> tuple[float, ...]:
    """Return places along the axis `x`; `start` is the time that it begins at."""
    return tuple(steps) if x == "step" else tuple(t - start for t in wall_times)


def start_of(curve: Curve, curves: Sequence[Curve], x: str) -> float:
    """Return the wall time at which the axis begins for a curve."""
    among = curves if x == "wall" else (curve,)
    return min((t for t in map(_began_at, among) if t is not None), default=0.0)


def _began_at(curve: Curve) -> float | None:
    if curve.began_at is not None:
        return curve.began_at
    return curve.wall_times[0] if curve.wall_times else None


def scaled(value: float | None, is_log: bool) -> float | None:
    """Return a value, or its power of ten; None for what has no place on the axis."""
    if value is None or not math.isfinite(value):
        return None
    if not is_log:
        return value
    return math.log10(value) if value > 0 else None


def axis(
    low: float, high: float, count: int, *, is_log: bool = False, is_time: bool = False
) -> list[tuple[float, str]]:
    """Return places within [low, high] and what is written there, about `count` of them; places are as `scaled`."""
    places = (log_ticks if is_log else time_ticks if is_time else ticks)(low, high, count)
    if is_time:
        return [(place, duration(power_of_ten(place) if is_log else place)) for place in places]
    if is_log:
        return [(place, number(power_of_ten(place))) for place in places]
    return list(zip(places, tick_labels(places), strict=True))


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return at most `count` + 1 round numbers (1, 2 or 5 times a power of ten) within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, count)
    if not 1e-300 < rough < 1e300 or high - low <= _RESOLUTION * max(abs(low), abs(high)):
        return [low, high]  # rounder numbers between them cannot be told apart
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [min(max(i * step, low), high) for i in range(first, last + 1)]


def time_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about as many times in seconds within [low, high] that are round on a clock, or in days."""
    rough = (high - low) / max(1, count)
    step = next((span for span in _SPANS if span >= rough), None)
    if step is None:
        return [min(max(days * _DAY_S, low), high) for days in ticks(low / _DAY_S, high / _DAY_S, count)]
    inside = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [float(i * step) for i in inside] or [low]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Return 2 to `count` + 1 exponents within [low, high] whose powers of ten are round; one where low is high.

    Whole decades are taken where two fit in, else 1, 2 and 5 times a decade, else the ends.
    """
    if not high > low:
        return [low]
    decades = range(math.floor(low), math.floor(high) + 1)
    for factors in ((1,), (1, 2, 5)):
        inside = [e for decade in decades for m in factors if low <= (e := decade + math.log10(m)) <= high]
        if len(inside) > 1:
            return inside[:: math.ceil(len(inside) / (count + 1))]
    return [low, high]


def power_of_ten(exponent: float) -> float:
    """Return 10 to `exponent`; rounding may have put the exponent of the largest float above what can be raised."""
    return 10.0**exponent if exponent < 308.25 else sys.float_info.max


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return labels with as many decimals as tell the ticks apart, and one more where they are not round."""
    step = values[1] - values[0] if len(values) > 1 else 0.0
    largest = max(abs(v) for v in values)
    if not step or largest >= 1e6 or step < 1e-4:
        return [number(v + 0.0) for v in values]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    decimals += any(abs(round(v, decimals) - v) > step / 20 for v in values)
    return [f"{v + 0.0:.{decimals}f}" for v in values]


def unit(values: Sequence[float], bounds: tuple[float, float]) -> list[float]:
    """Return values as fractions of the way from the lower bound to the upper; a value alone is in the middle.

    Libraries that draw get nothing else: plotext fails on the largest floats and draws tiny ranges wrongly.
    """
    low, high = bounds
    if not high > low:
        return [0.5] * len(values)
    if math.isfinite(high - low):
        return [(value - low) / (high - low) for value in values]
    return [(value / 4 - low / 4) / (high / 4 - low / 4) for value in values]
