"""The frame of a chart: where values lie in the picture, its axes, its title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gpuq.scale import axis, unit
from gpuq.text import clean, fit
from gpuq_daemon.drawing.figure import Label, Line, Place, Shape

Axis: TypeAlias = Sequence[tuple[float, str]]
"""Values, and what is written beside them."""
GRID, INK = "#e4e4e4", "#333333"
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 18, 30, 30
LEGEND_LINE = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A chart's inner field between two ranges of values; `legend_lines` are kept free below it."""

    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    legend_lines: int = 0

    @property
    def bottom(self) -> float:
        """The lower edge of the field."""
        return self.height - _BOTTOM - self.legend_lines * LEGEND_LINE

    def places(self, xs: Sequence[float], ys: Sequence[float]) -> tuple[Place, ...]:
        """Return where values lie."""
        return tuple(zip(self.across(xs), self.up(ys), strict=True))

    def across(self, xs: Sequence[float]) -> list[float]:
        """Return where values lie along x."""
        return [_LEFT + x * (self.width - _LEFT - _RIGHT) for x in unit(xs, self.x_range)]

    def up(self, ys: Sequence[float]) -> list[float]:
        """Return where values lie along y."""
        return [self.bottom - y * (self.bottom - _TOP) for y in unit(ys, self.y_range)]

    def line_across(self, x: float) -> tuple[Place, Place]:
        """Return the ends of the upright line at `x`."""
        (place,) = self.across([x])
        return (place, _TOP), (place, self.bottom)

    def shapes(self, title: str, x_axis: Axis, y_axis: Axis) -> list[Shape]:
        """Return axes with a grid, and the title."""
        left, right = float(_LEFT), float(self.width - _RIGHT)
        shapes: list[Shape] = []
        for value, text in x_axis:
            (x,) = self.across([value])
            shapes.append(Line(places=((x, _TOP), (x, self.bottom)), color=GRID, width=1))
            shapes.append(Label(at=(x, self.bottom + 14), text=text, anchor="middle", color=INK, size=11))
        for value, text in y_axis:
            (y,) = self.up([value])
            shapes.append(Line(places=((left, y), (right, y)), color=GRID, width=1))
            shapes.append(Label(at=(left - 6, y), text=text, anchor="end", color=INK, size=11))
        corners = ((left, _TOP), (right, _TOP), (right, self.bottom), (left, self.bottom), (left, _TOP))
        shapes.append(Line(places=corners, color="#888888", width=1))
        shapes.append(Label(at=(self.width / 2, 15), text=titled(title, self.width), anchor="middle", size=13))
        return shapes

    def x_axis(self, *, is_log: bool = False, is_time: bool = False) -> Axis:
        """Return round numbers along x."""
        return axis(*self.x_range, max(2, (self.width - _LEFT) // 90), is_log=is_log, is_time=is_time)

    def y_axis(self, *, is_log: bool = False) -> Axis:
        """Return round numbers along y."""
        return axis(*self.y_range, max(2, int(self.bottom - _TOP) // 45), is_log=is_log)

    def legend(self, index: int, text: str, color: str) -> list[Shape]:
        """Return line number `index` below the field."""
        y = self.bottom + _BOTTOM + index * LEGEND_LINE
        return [
            Line(places=((_LEFT, y), (_LEFT + 22, y)), color=color, width=3),
            Label(at=(_LEFT + 30, y), text=titled(text, self.width - _LEFT), size=11),
        ]


def titled(text: str, width: float) -> str:
    """Return foreign text as one harmless line of about `width` pixels."""
    return fit(clean(text), max(8, int(width / 6.5)))
