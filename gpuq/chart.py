"""Draws curves as text: one door to plotext, for `gpuq plot` and for the TUI's chart alike.

`draw` is pure: the same curves and options give the same lines. plotext draws on one figure of its own per
process, so draw from one thread at a time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpuq.models import Curve
from gpuq.text import clean, fit
from gpuq.units import duration, number, plural

_COLORS = ("blue+", "orange+", "green+", "magenta+", "cyan+", "red+")
_SGR = (94, 93, 92, 95, 96, 91)
_ASCII_MARKERS = "*o+x#@"
_UNICODE_MARKERS = ("braille", "o", "+", "x", "#", "@")
_ASCII_FRAME = str.maketrans("─│┌┐└┘├┤┬┴┼…•", "-|++++++++++*")
_MIN_WIDTH, _MIN_HEIGHT = 24, 6
_RESOLUTION = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartOptions:
    """How to draw. `width` and `height` are cells of the whole chart, frame and axis labels included.

    `smooth` is the weight of the past in [0, 1), 0 for none. `x` is "step" or "wall" (time since the first
    point of all curves). `color` adds ANSI colours (SGR); without it several curves differ by their marker.
    """

    width: int = 80
    height: int = 20
    is_ascii: bool = False
    log_y: bool = False
    smooth: float = 0.0
    title: str = ""
    color: bool = False
    x: str = "step"


def draw(curves: Sequence[Curve], options: ChartOptions) -> str:
    """Return the chart's lines, `options.height` of them where that is enough to draw at all.

    Every column's smallest and largest value is on the chart, so a spike of one step is seen; with `smooth`
    the smoothed last values are drawn instead. NaN breaks the line. With `log_y` values <= 0 are left out.
    """
    width, height = max(_MIN_WIDTH, options.width), max(_MIN_HEIGHT, options.height)
    lines = [list(_segments(curve, curves, options)) for curve in curves]
    ys = [y for segments in lines for _, segment_ys in segments for y in segment_ys]
    if not ys:
        return _nothing(curves, options, width, height)
    xs = [x for segments in lines for segment_xs, _ in segments for x in segment_xs]
    text = _plot(lines, (min(xs), max(xs)), (min(ys), max(ys)), options, (width, height))
    return text.translate(_ASCII_FRAME) if options.is_ascii else text


def legend(curve: Curve, label: str, index: int, options: ChartOptions, *, among: int = 1) -> str:
    """Return the line below the chart for curve number `index`: its marker if there are several, and numbers.

    Smallest and largest are over all points, not over the smoothed ones.
    """
    lows = [v for v in curve.low if v is not None and math.isfinite(v)]
    highs = [v for v in curve.high if v is not None and math.isfinite(v)]
    facts = f"last {_last(curve)} at step {curve.series.last_step}"
    if lows and highs:
        facts += f", min {number(min(lows))}, max {number(max(highs))}"
    facts += f", {plural(curve.count, 'point')}"
    if curve.nan_count:
        facts += f", {curve.nan_count} of them NaN or infinite (not drawn)"
    if options.smooth:
        facts += f"; smoothed {options.smooth:g}"
    return f"{_marker_sample(index, options) if among > 1 else ''}{clean(label)}: {facts}"


def labels(curves: Sequence[Curve]) -> list[str]:
    """Return for each curve what tells it from the others: tag, and job, rank and run where they differ."""
    series = [curve.series for curve in curves]
    several_jobs = len({s.job_id for s in series}) > 1
    several_ranks = len({s.rank for s in series}) > 1
    several_runs = len({s.run for s in series}) > 1
    return [
        (f"{s.job_id} " if several_jobs else "")
        + s.tag
        + (f" rank {s.rank}" if several_ranks else "")
        + (f" {s.run}" if several_runs and s.run != "." else "")
        for s in series
    ]


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Return the debiased exponential moving average; values that are not finite stay as they are.

    Source: TensorBoard, scalar charts, `smoothing` (the debias term of Adam).
    """
    average, weight_sum, result = 0.0, 1.0, list[float | None]()
    for value in values:
        if value is None or not math.isfinite(value):
            result.append(value)
            continue
        average = average * weight + (1 - weight) * value
        weight_sum *= weight
        result.append(average / (1 - weight_sum))
    return result


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


def _power_of_ten(exponent: float) -> float:
    """Return 10 to `exponent`; rounding may have put the exponent of the largest float above what can be raised."""
    return 10.0**exponent if exponent < 308.25 else sys.float_info.max


def _segments(
    curve: Curve, curves: Sequence[Curve], options: ChartOptions
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield the unbroken pieces of one curve, in chart coordinates."""
    start = min((c.wall_times[0] for c in curves if c.wall_times), default=0.0)
    xs = curve.steps if options.x == "step" else tuple(t - start for t in curve.wall_times)
    segment: tuple[list[float], list[float]] = ([], [])
    for x, values in zip(xs, _column_values(curve, options.smooth), strict=True):
        ys = [y for value in values if (y := _scaled(value, options.log_y)) is not None]
        if not ys and segment[0]:
            yield segment
            segment = ([], [])
        if len(ys) > 1 and segment[1] and abs(segment[1][-1] - ys[-1]) < abs(segment[1][-1] - ys[0]):
            ys.reverse()  # go to the nearer end of the column first: no zigzag that the data has not
        segment[0].extend([x] * len(ys))
        segment[1].extend(ys)
    if segment[0]:
        yield segment


def _column_values(curve: Curve, smooth: float) -> list[tuple[float | None, ...]]:
    if smooth:
        return [(value,) for value in smoothed(curve.last, smooth)]
    return [(low,) if low == high else (low, high) for low, high in zip(curve.low, curve.high, strict=True)]


def _scaled(value: float | None, log_y: bool) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    if not log_y:
        return value
    return math.log10(value) if value > 0 else None


def _plot(
    lines: Sequence[Sequence[tuple[list[float], list[float]]]],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    options: ChartOptions,
    size: tuple[int, int],
) -> str:
    import plotext

    figure: _Plotext = plotext  # pyright: ignore[reportAssignmentType] - it has no types of its own
    figure.clear_figure()
    figure.theme("clear")
    figure.limit_size(False, False)
    figure.plotsize(*size)
    for index, segments in enumerate(lines):
        marker = _marker(index, len(lines), options)
        for segment_xs, segment_ys in segments:
            xs, ys = _unit(segment_xs, x_range), _unit(segment_ys, y_range)
            figure.plot(xs, ys, marker=marker, color=_COLORS[index % len(_COLORS)] if options.color else None)
    figure.xlim(0.0, 1.0)
    figure.ylim(0.0, 1.0)
    _axes(figure, x_range, y_range, options, size)
    figure.title(_title(options, size[0] - 10))
    text: str = figure.build()
    return (text if options.color else figure.uncolorize(text)).rstrip("\n")


def _axes(
    figure: _Plotext,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    options: ChartOptions,
    size: tuple[int, int],
) -> None:
    x_ticks = ticks(*x_range, max(2, size[0] // 14))
    figure.xticks(
        _unit(x_ticks, x_range), _tick_labels(x_ticks) if options.x == "step" else [duration(x) for x in x_ticks]
    )
    y_ticks = (log_ticks if options.log_y else ticks)(*y_range, max(2, size[1] // 3))
    y_labels = [number(_power_of_ten(y)) for y in y_ticks] if options.log_y else _tick_labels(y_ticks)
    figure.yticks(_unit(y_ticks, y_range), y_labels)


def _tick_labels(values: Sequence[float]) -> list[str]:
    """Return labels with as many decimals as tell the ticks apart."""
    step = values[1] - values[0] if len(values) > 1 else 0.0
    largest = max(abs(v) for v in values)
    if not step or largest >= 1e6 or step < 1e-4:
        return [number(v + 0.0) for v in values]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{v + 0.0:.{decimals}f}" for v in values]


def _unit(values: Sequence[float], bounds: tuple[float, float]) -> list[float]:
    """Return values as fractions of the way from the lower bound to the upper; a value alone is in the middle.

    plotext gets nothing else: it fails on the largest floats and draws tiny ranges wrongly.
    """
    low, high = bounds
    if not high > low:
        return [0.5] * len(values)
    if math.isfinite(high - low):
        return [(value - low) / (high - low) for value in values]
    return [(value / 4 - low / 4) / (high / 4 - low / 4) for value in values]


def _marker(index: int, among: int, options: ChartOptions) -> str:
    if options.is_ascii:
        return _ASCII_MARKERS[index % len(_ASCII_MARKERS)]
    if options.color or among == 1:
        return "braille"
    return _UNICODE_MARKERS[index % len(_UNICODE_MARKERS)]


def _marker_sample(index: int, options: ChartOptions) -> str:
    marker = _marker(index, 2, options)
    sample = ("⠒" if marker == "braille" else marker) * 2
    return f"\x1b[{_SGR[index % len(_SGR)]}m{sample}\x1b[0m " if options.color else f"{sample} "


def _last(curve: Curve) -> str:
    if not curve.last:
        return number(curve.series.last_value)
    return "NaN" if curve.last[-1] is None else number(curve.last[-1])


def _title(options: ChartOptions, width: int) -> str:
    title = clean(options.title)
    if options.is_ascii:
        return fit(title.encode("ascii", "backslashreplace").decode(), width, mark="~")
    return fit(title, width)


def _nothing(curves: Sequence[Curve], options: ChartOptions, width: int, height: int) -> str:
    has_points = any(curve.count for curve in curves)
    why = "no point that can be drawn" if has_points else "no points yet"
    if has_points and options.log_y:
        why += " on a logarithmic axis"
    lines = [""] * height
    lines[0] = _title(options, width).center(width).rstrip()
    lines[height // 2] = fit(why, width, mark="~").center(width).rstrip()
    return "\n".join(lines)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class _Plotext(Protocol):
        """The part of plotext that is used."""

        def clear_figure(self) -> None: ...
        def theme(self, name: str) -> None: ...
        def limit_size(self, width: bool, height: bool) -> None: ...
        def plotsize(self, width: int, height: int) -> None: ...
        def plot(self, xs: list[float], ys: list[float], *, marker: str, color: str | None) -> None: ...
        def xlim(self, low: float, high: float) -> None: ...
        def ylim(self, low: float, high: float) -> None: ...
        def xticks(self, values: list[float], labels: list[str]) -> None: ...
        def yticks(self, values: list[float], labels: list[str]) -> None: ...
        def title(self, text: str) -> None: ...
        def build(self) -> str: ...
        def uncolorize(self, text: str) -> str: ...
