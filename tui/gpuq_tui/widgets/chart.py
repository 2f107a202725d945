"""Curves, drawn in as much room as there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from gpuq.models import Curve
from gpuq_tui.lines.chart import Scale, chart_lines
from gpuq_tui.lines.line import Look
from gpuq_tui.widgets.pane import Pane


class ChartPane(Pane):
    """Draws curves anew when they, their scale or the room for them changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus", "smooth(1)", "smoother", key_display="+"),
        Binding("minus", "smooth(-1)", "rougher", key_display="-"),
        Binding("0", "smooth(0)", "not smoothed"),
        Binding("Y", "log_y", "logarithmic y axis"),
        Binding("a", "x_axis", "by step, or by time"),
        Binding("comma", "cursor(-1)", "the value before", key_display=","),
        Binding("full_stop", "cursor(1)", "the next value", key_display="."),
    ]

    class Rescaled(Message):
        """The user wants curves drawn in another way."""

        def __init__(self, scale: Scale) -> None:
            super().__init__()
            self.scale = scale

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._curves: Sequence[Curve] = ()
        self._missing = ""
        self._scale = Scale()
        self._cursor: int | None = None
        self._drawn: object = None

    @property
    def columns(self) -> int:
        """Return how many points across can be told apart: braille has two in a cell."""
        return max(40, 2 * self.size.width)

    def show_curves(
        self, curves: Sequence[Curve], *, missing: str = "", title: str, scale: Scale | None = None
    ) -> None:
        """Draw `curves`, or say what is `missing` where there is none; in another `scale` if one is given."""
        self._curves, self._missing, self._title = curves, missing, title
        self._scale = scale or self._scale
        self.repaint()

    def repaint(self) -> None:
        """Draw the chart if anything of it changed."""
        what = (self._curves, self._missing, self._scale, self._cursor, self.size.width, self.body_height)
        if what != self._drawn:
            self._drawn = what
            self._lines = chart_lines(
                self._curves,
                self._missing,
                self._scale,
                width=self.size.width,
                height=self.body_height,
                look=self.look,
                at=self._cursor,
            )
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
        self._rescale(self._scale.with_x_flipped())

    def action_cursor(self, by: int) -> None:
        """Move the cursor along the curves; their values stand below them. Beyond the last point it goes away."""
        last = max((len(curve.steps) for curve in self._curves), default=0) - 1
        at = (last + 1 if self._cursor is None else self._cursor) + by
        self._cursor = None if at > last else max(0, at)
        self.repaint()

    def _rescale(self, scale: Scale) -> None:
        self._scale = scale
        self.repaint()
        self.post_message(self.Rescaled(scale))
