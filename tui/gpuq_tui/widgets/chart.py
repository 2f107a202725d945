"""Curves and distributions, drawn in as much room as there is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from gpuq.summaries import Curve
from gpuq_tui.lines.chart import chart_lines, places
from gpuq_tui.lines.line import Line, Look
from gpuq_tui.lines.scale import Scale
from gpuq_tui.widgets.pane import Pane

Drawing = Callable[[int, int], list[Line]]
"""Makes lines for a width and a height."""


class ChartPane(Pane):
    """Draws curves anew when they, their scale or the room for them changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus", "smooth(1)", "smoother", key_display="+"),
        Binding("minus", "smooth(-1)", "rougher", key_display="-"),
        Binding("0", "smooth(0)", "not smoothed"),
        Binding("Y", "log_y", "logarithmic y axis"),
        Binding("X", "log_x", "logarithmic x axis"),
        Binding("a", "x_axis", "by step, or by time since its first point"),
        Binding("comma", "cursor(-1)", "the value before", key_display=","),
        Binding("full_stop", "cursor(1)", "the next value", key_display="."),
        Binding("less_than_sign", "cursor(-10)", "ten values back", key_display="<"),
        Binding("greater_than_sign", "cursor(10)", "ten values on", key_display=">"),
        Binding("i", "zoom_in", "zoom in: the half around the cursor, without one the last half"),
        Binding("o", "zoom_out", "zoom out"),
        Binding("left_curly_bracket", "shift(-1)", "where zoomed: what is before", key_display="{"),
        Binding("right_curly_bracket", "shift(1)", "where zoomed: what is after", key_display="}"),
    ]

    class Rescaled(Message):
        """The user wants curves drawn in another way."""

        def __init__(self, scale: Scale) -> None:
            super().__init__()
            self.scale = scale

    class Pointed(Message):
        """The cursor is on another place along x, or away."""

        def __init__(self, at: float | None) -> None:
            super().__init__()
            self.at = at

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._curves: Sequence[Curve] = ()
        self._drawing: Drawing | None = None
        self._missing = ""
        self._scale = Scale()
        self._cursor: float | None = None
        self._drawn: object = None

    @property
    def columns(self) -> int:
        """Return how many points across can be told apart: braille has two in a cell."""
        return max(40, 2 * self.size.width)

    @property
    def scale(self) -> Scale:
        """Return how curves are drawn."""
        return self._scale

    def show_curves(
        self, curves: Sequence[Curve], *, missing: str = "", title: str, scale: Scale | None = None
    ) -> None:
        """Draw `curves`, or say what is `missing` where there is none; in another `scale` if one is given."""
        self._curves, self._missing, self._title, self._drawing = curves, missing, title, None
        self._scale = scale or self._scale
        self.repaint()

    def show_drawing(self, of: object, drawing: Drawing, *, title: str) -> None:
        """Draw something else: what `drawing` makes of a width and a height; the same `of` is the same drawing."""
        self._curves, self._missing, self._title = (), str(of), title
        self._drawing = drawing
        self.repaint()

    def repaint(self) -> None:
        """Draw the chart if anything of it changed."""
        what = (self._curves, self._missing, self._scale, self._cursor, self.size.width, self.body_height)
        if what != self._drawn:
            self._drawn = what
            room = self.size.width, self.body_height
            self._lines = self._chart(*room) if self._drawing is None else self._drawing(*room)
        super().repaint()

    def place(self) -> str:
        """Return how the curves are drawn, where that is not as they are."""
        return self._scale.told()

    def action_smooth(self, by: int) -> None:
        """Smooth more or less."""
        self._rescale(self._scale.smoother(by))

    def action_log_y(self) -> None:
        """Change between a linear and a logarithmic y axis."""
        self._rescale(self._scale.with_log_y_flipped())

    def action_x_axis(self) -> None:
        """Change between steps and time."""
        self._cursor = None
        self._rescale(self._scale.with_x_flipped())

    def action_cursor(self, by: int) -> None:
        """Move the cursor along the points; their values stand below them. Beyond the last one it goes away."""
        found = places(self._curves, self._scale)
        at = (len(found) if self._cursor is None else bisect_left(found, self._cursor)) + by
        self.point_at(found[max(0, at)] if at < len(found) and found else None)
        self.post_message(self.Pointed(self._cursor))

    def point_at(self, at: float | None) -> None:
        """Put the cursor on a place along x, or away."""
        self._cursor = at
        self.repaint()

    def action_log_x(self) -> None:
        """Change between a linear and a logarithmic x axis."""
        self._rescale(self._scale.with_log_x_flipped())

    def action_zoom_in(self) -> None:
        """Show half of what is shown."""
        found = places(self._curves, self._scale)
        if found:
            self._rescale(self._scale.zoomed_in((found[0], found[-1]), self._cursor))

    def action_zoom_out(self) -> None:
        """Show what was shown before zooming in."""
        self._rescale(self._scale.zoomed_out())

    def action_shift(self, by: int) -> None:
        """Show what is beside the part that is shown."""
        self._cursor = None
        self._rescale(self._scale.moved(by))

    def _chart(self, width: int, height: int) -> list[Line]:
        size = {"width": width, "height": height}
        return chart_lines(self._curves, self._missing, self._scale, **size, look=self.look, at=self._cursor)

    def _rescale(self, scale: Scale) -> None:
        self._scale = scale
        self.repaint()
        self.post_message(self.Rescaled(scale))
