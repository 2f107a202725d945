"""One curve, drawn in as much room as there is."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from gpuq.models import Curve
from gpuq_tui.lines.chart import Scale, chart_lines
from gpuq_tui.lines.line import Look
from gpuq_tui.widgets.pane import Pane


class ChartPane(Pane):
    """Draws a curve anew when it, its scale or the room for it changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus", "smooth(1)", "smoother", key_display="+"),
        Binding("minus", "smooth(-1)", "rougher", key_display="-"),
        Binding("0", "smooth(0)", "not smoothed"),
        Binding("Y", "log_y", "logarithmic y axis"),
    ]

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._curve: Curve | None = None
        self._missing = ""
        self._scale = Scale()
        self._drawn: object = None

    @property
    def columns(self) -> int:
        """Return how many points across can be told apart: braille has two in a cell."""
        return max(40, 2 * self.size.width)

    def show_curve(self, curve: Curve | None, *, missing: str = "", title: str) -> None:
        """Draw `curve`, or say what is `missing` where it is None."""
        self._curve, self._missing, self._title = curve, missing, title
        self.repaint()

    def repaint(self) -> None:
        """Draw the chart if anything of it changed."""
        what = (self._curve, self._missing, self._scale, self.size.width, self.body_height)
        if what != self._drawn:
            self._drawn = what
            self._lines = chart_lines(
                self._curve, self._missing, self._scale, width=self.size.width, height=self.body_height, look=self.look
            )
        super().repaint()

    def place(self) -> str:
        """Return how the curve is drawn, where that is not as it is."""
        smooth = f" smooth {self._scale.smooth:g} " if self._scale.smooth else ""
        return smooth + (" log y " if self._scale.is_log_y else "")

    def action_smooth(self, by: int) -> None:
        """Smooth more or less."""
        self._scale = self._scale.smoother(by)
        self.repaint()

    def action_log_y(self) -> None:
        """Change between a linear and a logarithmic y axis."""
        self._scale = self._scale.with_log_y_flipped()
        self.repaint()
