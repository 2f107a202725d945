"""A log that grows, followed at its end unless the user has moved away from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from gpuq_tui.lines.line import Line, Look
from gpuq_tui.widgets.pane import Pane


class LogPane(Pane):
    """Shows the newest lines; moving up stops following, the end of the log (`G`) or `F` follows again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("F", "follow", "follow the end of the log")]

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._is_followed = True

    def show(self, lines: Sequence[Line], *, title: str | None = None) -> None:
        """Show other lines; the end of them if it is followed."""
        if self._is_followed:
            self._top = len(lines)
        super().show(lines, title=title)

    def on_resize(self) -> None:
        """Keep the end in view if it is followed."""
        self.show(self._lines)

    def place(self) -> str:
        """Return where the pane is and whether it follows."""
        return super().place() + ("[follow] " if self._is_followed else "")

    def action_move(self, by: int) -> None:
        """Scroll, and follow if that leads to the end."""
        super().action_move(by)
        self._is_followed = self._top >= self.count() - self.body_height
        self.repaint()

    def action_follow(self) -> None:
        """Go to the end and stay there, or stop staying there."""
        self._is_followed = not self._is_followed
        self.show(self._lines)
