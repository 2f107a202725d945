"""Draws curves as text: one door to plotext, for `gpuq plot` and for the TUI's chart alike.

`draw` is pure: the same curves and options give the same lines. plotext draws on one figure of its own per
process, so draw from one thread at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpuq.models import Curve
from gpuq.scale import along, axis, scaled, start_of, unit
from gpuq.text import clean, fit
from gpuq.units import number, plural

_COLORS = ("blue+", "orange+", "green+", "magenta+", "cyan+", "red+")
_SGR = (94, 93, 92, 95, 96, 91)
_ASCII_MARKERS = "*o+x#@"
_UNICODE_MARKERS = ("braille", "o", "+", "x", "#", "@")
_NAN_MARKERS = ("×", "!")
_RESTART_MARKERS = ("┊", ":")
_CURSOR_MARKERS = ("│", "|")
_ASCII_FRAME = str.maketrans("─│┌┐└┘├┤┬┴┼…•", "-|++++++++++*")
_MIN_WIDTH, _MIN_HEIGHT = 24, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartOptions:
    """How to draw. `width` and `height` are cells of the whole chart, frame and axis labels included.

    `smooth` is the weight of the past in [0, 1), 0 for none. `x` is one of `gpuq.scale.X_AXES`. `color` adds ANSI
    colours (SGR); without it several curves differ by their marker. `cursor` is a place along x that is marked by a
    line from bottom to top.
    """

    width: int = 80
    height: int = 20
    is_ascii: bool = False
    log_y: bool = False
    log_x: bool = False
    smooth: float = 0.0
    title: str = ""
    color: bool = False
    x: str = "step"
    cursor: float | None = None


def draw(curves: Sequence[Curve], options: ChartOptions) -> str:
    """Return the chart's lines, `options.height` of them where that is enough to draw at all.

    Every column's smallest and largest value is on the chart, so a spike of one step is seen; with `smooth`
    the smoothed last values are drawn instead. NaN breaks the line, and is marked at the bottom, also before and behind
    all that is drawn; a restart is a line from bottom to top. On logarithmic axes values <= 0 are left out.
    """
    width, height = max(_MIN_WIDTH, options.width), max(_MIN_HEIGHT, options.height)
    lines = [list(_segments(curve, curves, options)) for curve in curves]
    ys = [y for segments in lines for _, segment_ys in segments for y in segment_ys]
    if not ys:
        return _nothing(curves, options, width, height)
    xs = [x for segments in lines for segment_xs, _ in segments for x in segment_xs]
    nans = [x for x in _nan_places(curves, options) if x is not None]
    x_range = min((*xs, *nans)), max((*xs, *nans))
    marks = _Marks(
        nans=nans,
        restarts=_inside(_restart_places(curves, options), x_range),
        cursor=_inside(iter([scaled(options.cursor, options.log_x)]), x_range),
    )
    text = _plot(lines, marks, x_range, (min(ys), max(ys)), options, (width, height))
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
        facts += f", {curve.nan_count} of them NaN or infinite ({_marker_of(_NAN_MARKERS, options)} below)"
    if curve.restarts:
        where = ", ".join(f"{restart.step:.0f}" for restart in curve.restarts[-3:])
        more = f"{len(curve.restarts)} times, last " if len(curve.restarts) > 3 else ""
        facts += f"; restarted {more}at step {where} ({_marker_of(_RESTART_MARKERS, options)})"
    if curve.replaced:
        facts += f", {plural(curve.replaced, 'point')} before that written again"
    if options.smooth:
        facts += f"; smoothed {options.smooth:g}"
    return f"{sample(index, options, among=among)}{clean(label)}: {facts}"


def sample(index: int, options: ChartOptions, *, among: int) -> str:
    """Return what curve number `index` is drawn with, and a space; nothing where it is the only one."""
    return _marker_sample(index, options) if among > 1 else ""


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


def _segments(
    curve: Curve, curves: Sequence[Curve], options: ChartOptions
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield the unbroken pieces of one curve, in chart coordinates."""
    xs = along(options.x, curve.wall_times, curve.steps, start_of(curve, curves, options.x))
    segment: tuple[list[float], list[float]] = ([], [])
    for place, values in zip(xs, _column_values(curve, options.smooth), strict=True):
        x = scaled(place, options.log_x)
        if x is None:
            continue
        ys = [y for value in values if (y := scaled(value, options.log_y)) is not None]
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
        return [(value,) for value in curve.smoothed or smoothed(curve.last, smooth)]
    return [(low,) if low == high else (low, high) for low, high in zip(curve.low, curve.high, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marks:
    """Places along x that are marked."""

    nans: list[float]
    restarts: list[float]
    cursor: list[float]


def _nan_places(curves: Sequence[Curve], options: ChartOptions) -> Iterator[float | None]:
    for curve in curves:
        places = along(options.x, curve.wall_times, curve.steps, start_of(curve, curves, options.x))
        yield from (scaled(x, options.log_x) for x, count in zip(places, curve.nans, strict=False) if count)


def _restart_places(curves: Sequence[Curve], options: ChartOptions) -> Iterator[float | None]:
    for curve in curves:
        times, steps = [r.wall_time for r in curve.restarts], [r.step for r in curve.restarts]
        places = along(options.x, times, steps, start_of(curve, curves, options.x))
        yield from (scaled(x, options.log_x) for x in places)


def _inside(places: Iterator[float | None], bounds: tuple[float, float]) -> list[float]:
    return [place for place in places if place is not None and bounds[0] <= place <= bounds[1]]


def _plot(
    lines: Sequence[Sequence[tuple[list[float], list[float]]]],
    marks: _Marks,
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
    for x in unit(marks.restarts, x_range):
        figure.plot([x, x], [0.0, 1.0], marker=_marker_of(_RESTART_MARKERS, options), color=None)
    for index, segments in enumerate(lines):
        marker = _marker(index, len(lines), options)
        for segment_xs, segment_ys in segments:
            xs, ys = unit(segment_xs, x_range), unit(segment_ys, y_range)
            figure.plot(xs, ys, marker=marker, color=_COLORS[index % len(_COLORS)] if options.color else None)
    for x in unit(marks.cursor, x_range):
        figure.plot([x, x], [0.0, 1.0], marker=_marker_of(_CURSOR_MARKERS, options), color=None)
    if marks.nans:
        xs = unit(marks.nans, x_range)
        figure.scatter(
            xs, [0.0] * len(xs), marker=_marker_of(_NAN_MARKERS, options), color="red+" if options.color else None
        )
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
    x_axis = axis(*x_range, max(2, size[0] // 14), is_log=options.log_x, is_time=options.x != "step")
    figure.xticks(unit([place for place, _ in x_axis], x_range), [text for _, text in x_axis])
    y_axis = axis(*y_range, max(2, size[1] // 3), is_log=options.log_y)
    figure.yticks(unit([place for place, _ in y_axis], y_range), [text for _, text in y_axis])


def _marker(index: int, among: int, options: ChartOptions) -> str:
    if options.is_ascii:
        return _ASCII_MARKERS[index % len(_ASCII_MARKERS)]
    if options.color or among == 1:
        return "braille"
    return _UNICODE_MARKERS[index % len(_UNICODE_MARKERS)]


def _marker_of(markers: tuple[str, str], options: ChartOptions) -> str:
    return markers[options.is_ascii]


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
    if has_points and (options.log_y or options.log_x):
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
        def scatter(self, xs: list[float], ys: list[float], *, marker: str, color: str | None) -> None: ...
        def xlim(self, low: float, high: float) -> None: ...
        def ylim(self, low: float, high: float) -> None: ...
        def xticks(self, values: list[float], labels: list[str]) -> None: ...
        def yticks(self, values: list[float], labels: list[str]) -> None: ...
        def title(self, text: str) -> None: ...
        def build(self) -> str: ...
        def uncolorize(self, text: str) -> str: ...
