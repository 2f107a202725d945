"""Draws curves as text: one door to plotext, for `gpuq plot` and for the TUI's chart alike.

`draw` is pure: the same curves and options give the same lines. plotext draws the frame, with its title and ticks;
what is in it is drawn as plotext would, by `gpuq.raster`, since that is redrawn with every key. plotext has one figure
of its own per process, so draw from one thread at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from gpuq.raster import BRAILLE, Cell, points, polyline
from gpuq.scale import along, axis, scaled, start_of, unit
from gpuq.summaries import Curve
from gpuq.text import clean, fit
from gpuq.units import number, plural

_COLORS = (12, 11, 10, 13, 14, 9)  # of xterm's 256
_SGR = (94, 93, 92, 95, 96, 91)
_ASCII_MARKERS = "*o+x#@"
_UNICODE_MARKERS = (BRAILLE, "o", "+", "x", "#", "@")
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


def labels(curves: Sequence[Curve], names: Mapping[int, str] | None = None) -> list[str]:
    """Return for each curve what tells it from the others: tag, and job, rank and run where they differ.

    `names` are what jobs are called that are tasks of arrays.
    """
    series = [curve.series for curve in curves]
    several_jobs = len({s.job_id for s in series}) > 1
    several_ranks = len({s.rank for s in series}) > 1
    several_runs = len({s.run for s in series}) > 1
    return [
        (f"{(names or {}).get(s.job_id, s.job_id)} " if several_jobs else "")
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
    """Return plotext's frame with the lines drawn into it."""
    x_axis = axis(*x_range, max(2, size[0] // 14), is_log=options.log_x, is_time=options.x != "step")
    y_axis = axis(*y_range, max(2, size[1] // 3), is_log=options.log_y)
    frame = _frame(size, _title(options, size[0] - 10), _ticks(x_axis, x_range), _ticks(y_axis, y_range))
    room = frame.right - frame.left, len(frame.inside)
    drawn: dict[Cell, tuple[str, int | None]] = {}

    def draw(cells: dict[Cell, str], color: int | None = None) -> None:
        drawn.update((cell, (letter, color if options.color else None)) for cell, letter in cells.items())

    for x in unit(marks.restarts, x_range):
        draw(polyline([x, x], [0.0, 1.0], room, _marker_of(_RESTART_MARKERS, options)))
    for index, segments in enumerate(lines):
        marker = _marker(index, len(lines), options)
        for segment_xs, segment_ys in segments:
            points_of = unit(segment_xs, x_range), unit(segment_ys, y_range)
            draw(polyline(*points_of, room, marker), _COLORS[index % len(_COLORS)])
    for x in unit(marks.cursor, x_range):
        draw(polyline([x, x], [0.0, 1.0], room, _marker_of(_CURSOR_MARKERS, options)))
    xs = unit(marks.nans, x_range)
    draw(points(xs, [0.0] * len(xs), room, _marker_of(_NAN_MARKERS, options)), _COLORS[-1])
    return frame.with_inside(drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Rows of a chart with nothing in it; `inside` are those with room, from the bottom, between `left` and `right`."""

    rows: tuple[str, ...]
    inside: range
    left: int
    right: int

    def with_inside(self, drawn: Mapping[Cell, tuple[str, int | None]]) -> str:
        """Return the rows with letters and their colours in the room."""
        by_row: dict[int, dict[int, tuple[str, int | None]]] = {}
        for (row, column), letter in drawn.items():
            by_row.setdefault(row, {})[column] = letter
        rows = list(self.rows)
        for row, letters in by_row.items():
            at = self.inside[row]
            cells = [letters.get(column, (" ", None)) for column in range(self.right - self.left)]
            rows[at] = rows[at][: self.left] + _in_colors(cells) + rows[at][self.right :]
        return "\n".join(rows)


def _in_colors(cells: Sequence[tuple[str, int | None]]) -> str:
    parts = list[str]()
    for color, run in groupby(cells, itemgetter(1)):
        text = "".join(letter for letter, _ in run)
        parts.append(text if color is None else f"\x1b[38;5;{color}m{text}\x1b[0m")
    return "".join(parts)


_Ticks = tuple[tuple[float, str], ...]


def _ticks(found: Sequence[tuple[float, str]], bounds: tuple[float, float]) -> _Ticks:
    places = unit([place for place, _ in found], bounds)
    return tuple(zip(places, (text for _, text in found), strict=True))


@lru_cache(maxsize=16)  # a cursor that moves, a curve that is smoothed, a point more: the frame is the same
def _frame(size: tuple[int, int], title: str, x_ticks: _Ticks, y_ticks: _Ticks) -> _Frame:
    import plotext

    figure: _Plotext = plotext  # pyright: ignore[reportAssignmentType] - it has no types of its own
    figure.clear_figure()
    figure.theme("clear")
    figure.limit_size(False, False)
    figure.plotsize(*size)
    figure.plot([0.0], [0.0], marker=" ", color=None)  # without anything there are no axes
    figure.xlim(0.0, 1.0)
    figure.ylim(0.0, 1.0)
    figure.xticks([place for place, _ in x_ticks], [text for _, text in x_ticks])
    figure.yticks([place for place, _ in y_ticks], [text for _, text in y_ticks])
    figure.title(title)
    rows = tuple(figure.uncolorize(figure.build()).rstrip("\n").split("\n"))
    bottom = max(at for at, row in enumerate(rows) if "└" in row)
    left, right = rows[bottom].index("└"), rows[bottom].rindex("┘")
    top = bottom - 1
    while rows[top][left] != "┌":
        top -= 1
    return _Frame(rows=rows, inside=range(bottom - 1, top, -1), left=left + 1, right=right)


def _marker(index: int, among: int, options: ChartOptions) -> str:
    if options.is_ascii:
        return _ASCII_MARKERS[index % len(_ASCII_MARKERS)]
    if options.color or among == 1:
        return BRAILLE
    return _UNICODE_MARKERS[index % len(_UNICODE_MARKERS)]


def _marker_of(markers: tuple[str, str], options: ChartOptions) -> str:
    return markers[options.is_ascii]


def _marker_sample(index: int, options: ChartOptions) -> str:
    marker = _marker(index, 2, options)
    sample = ("⠒" if marker == BRAILLE else marker) * 2
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
        def xlim(self, low: float, high: float) -> None: ...
        def ylim(self, low: float, high: float) -> None: ...
        def xticks(self, values: list[float], labels: list[str]) -> None: ...
        def yticks(self, values: list[float], labels: list[str]) -> None: ...
        def title(self, text: str) -> None: ...
        def build(self) -> str: ...
        def uncolorize(self, text: str) -> str: ...
