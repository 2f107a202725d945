"""Curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from gpuq.scale import along, scaled, start_of
from gpuq.summaries import Curve
from gpuq_daemon.drawing.figure import Area, Figure, Label, Line, Shape
from gpuq_daemon.drawing.frame import Frame

COLORS = ("#1f77b4", "#e6730f", "#2a9134", "#b3369b", "#12889c", "#c62828", "#7a5c2e", "#5c5fc4")
_PALE = 0.78
_NAN = "#c62828"
_RESTART = "#777777"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How curves are drawn; as `gpuq.chart.ChartOptions`, in pixels. `x` is one of `gpuq.scale.X_AXES`."""

    width: int = 800
    height: int = 400
    x: str = "step"
    log_x: bool = False
    log_y: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Columns without a gap: along x, from the smallest value to the largest, with the line that is drawn."""

    xs: list[float]
    low: list[float]
    high: list[float]
    line: list[float]


def draw(curves: Sequence[Curve], names: Sequence[str], look: Look) -> Figure:
    """Return the picture of curves and their names: the range of each column pale, a line through its last values.

    A smoothed curve is a line through the average. NaN is a cross at the bottom, a restart a dashed line.
    """
    pieces = [_pieces(curve, curves, look) for curve in curves]
    every = [piece for of_one in pieces for piece in of_one]
    if not every:
        label = Label(at=(look.width / 2, look.height / 2), text="nothing that can be drawn", anchor="middle")
        return Figure(width=look.width, height=look.height, title=look.title, shapes=(label,))
    xs = [x for piece in every for x in piece.xs]
    xs += [x for curve in curves for x in _nan_places(curve, curves, look)]
    ys = [y for piece in every for part in (piece.low, piece.high) for y in part]
    frame = Frame(
        width=look.width,
        height=look.height,
        x_range=(min(xs), max(xs)),
        y_range=(min(ys), max(ys)),
        legend_lines=len(curves),
    )
    shapes = frame.shapes(
        look.title, frame.x_axis(is_log=look.log_x, is_time=look.x != "step"), frame.y_axis(is_log=look.log_y)
    )
    for index, (curve, of_one) in enumerate(zip(curves, pieces, strict=True)):
        color = COLORS[index % len(COLORS)]
        shapes += _restarts(curve, curves, look, frame)
        shapes += [
            Area(places=frame.places(p.xs, p.high) + frame.places(p.xs, p.low)[::-1], color=pale(color))
            for p in of_one
            if len(p.xs) > 1 and p.low != p.high
        ]
        shapes += [_line(frame, piece, color) for piece in of_one]
        shapes += _nans(curve, curves, look, frame)
        shapes += frame.legend(index, names[index], color)
    return Figure(width=look.width, height=look.height, title=look.title, shapes=tuple(shapes))


def pale(color: str) -> str:
    """Return a colour as it looks thin on white."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * _PALE):02x}" for part in parts)


def _pieces(curve: Curve, curves: Sequence[Curve], look: Look) -> list[_Piece]:
    pieces: list[_Piece] = []
    is_open = False
    lines = curve.smoothed or curve.last
    xs = along(look.x, curve.wall_times, curve.steps, start_of(curve, curves, look.x))
    for place, *values in zip(xs, curve.low, curve.high, lines, strict=True):
        x = scaled(place, look.log_x)
        low, high, line = (scaled(value, look.log_y) for value in values)
        low = high if low is None else low
        if x is None or low is None or high is None:
            is_open = False
            continue
        if not is_open:
            pieces.append(_Piece(xs=[], low=[], high=[], line=[]))
            is_open = True
        piece = pieces[-1]
        piece.xs.append(x)
        piece.low.append(low)
        piece.high.append(high)
        piece.line.append(min(max(low if line is None else line, low), high) if not curve.smoothed else line or 0.0)
    return pieces


def _line(frame: Frame, piece: _Piece, color: str) -> Line:
    places = frame.places(piece.xs, piece.line)
    if len(places) == 1:  # a point alone is a short line
        ((x, y),) = places
        places = ((x - 2, y), (x + 2, y))
    return Line(places=places, color=color)


def _restarts(curve: Curve, curves: Sequence[Curve], look: Look, frame: Frame) -> list[Shape]:
    times, steps = [one.wall_time for one in curve.restarts], [one.step for one in curve.restarts]
    xs = along(look.x, times, steps, start_of(curve, curves, look.x))
    return [
        Line(places=frame.line_across(x), color=_RESTART, width=1, is_dashed=True)
        for x in _within(frame, [scaled(x, look.log_x) for x in xs])
    ]


def _nans(curve: Curve, curves: Sequence[Curve], look: Look, frame: Frame) -> list[Shape]:
    crosses: list[Shape] = []
    for x in frame.across(_within(frame, _nan_places(curve, curves, look))):
        y = frame.bottom
        crosses.append(Line(places=((x - 3, y - 7), (x + 3, y - 1)), color=_NAN))
        crosses.append(Line(places=((x - 3, y - 1), (x + 3, y - 7)), color=_NAN))
    return crosses


def _nan_places(curve: Curve, curves: Sequence[Curve], look: Look) -> list[float]:
    places = along(look.x, curve.wall_times, curve.steps, start_of(curve, curves, look.x))
    marked = (scaled(x, look.log_x) for x, count in zip(places, curve.nans, strict=False) if count)
    return [x for x in marked if x is not None]


def _within(frame: Frame, places: Sequence[float | None]) -> list[float]:
    low, high = frame.x_range
    return [place for place in places if place is not None and isfinite(place) and low <= place <= high]
