"""A log that grows, followed at its end unless the user has moved away from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from gpuq_tui.lines.line import Line, Look, plain
from gpuq_tui.lines.log import folded, matched
from gpuq_tui.widgets.pane import Pane, TextSought


class LogPane(Pane):
    r"""Shows the newest lines; moving up stops following, the end of the log (`G`) or `F` follows again.

    A line wider than the pane is cut, or goes on in the next rows after `\`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "follow", "follow the end of the log"),
        Binding("backslash", "wrap", "wrap long lines, or cut them", key_display="\\"),
        Binding("slash", "search", "search", key_display="/"),
        Binding("n", "match(1)", "next match"),
        Binding("N", "match(-1)", "match before"),
    ]

    class TopReached(Message):
        """The user wants to see what stands before the first line."""

    def __init__(self, *, look: Look, title: str, id: str | None = None, follows: bool = True) -> None:
        super().__init__(look=look, title=title, id=id)
        self._is_followed = follows
        self._sought = ""
        self._is_wrapped = False
        self._is_ended = False
        self._whole: Sequence[Line] = ()

    def show_log(self, lines: Sequence[Line], *, title: str, is_ended: bool, above: int = 0) -> None:
        """Show other lines; the end of them if it is followed. `is_ended` says that no more will come.

        `above` is how many of them are new above the others: what is on the screen stays there.
        """
        if above and not self._is_followed:
            self._top += above
        self._whole, self._is_ended, self._title = lines, is_ended, title
        self._lay_out()

    def on_resize(self) -> None:
        """Keep the end in view if it is followed."""
        self._lay_out()

    def place(self) -> str:
        """Return where the pane is and whether it follows."""
        follows = "[follow] " if self._is_followed else ""
        sought = f"/{self._sought[:20]} " if self._sought else ""
        return super().place() + sought + ("[ended] " if self._is_ended else follows)

    def line_at(self, index: int) -> Line:
        """Return a row with what is searched for set off."""
        return matched(self._lines[index], self._sought) if self._sought else self._lines[index]

    def search(self, text: str) -> bool:
        """Go to the next row with `text` in it, in any case, from the top one on; return whether there is one."""
        self._sought = text.casefold()
        return self._go_to_match(self._top, 1)

    def action_search(self) -> None:
        """Let the user type what is searched for."""
        self.post_message(TextSought(self.search))

    def action_match(self, by: int) -> None:
        """Go to the next row that matches, or the one before; round at the ends."""
        if self._sought and not self._go_to_match(self._top + by, by):
            self.app.bell()

    def action_move(self, by: int) -> None:
        """Scroll, and follow if that leads to the end."""
        if by < 0 and self._top == 0:
            self.post_message(self.TopReached())
        super().action_move(by)
        self._is_followed = self._top >= self.count() - self.body_height
        self.repaint()

    def action_follow(self) -> None:
        """Go to the end and stay there, or stop staying there."""
        self._is_followed = not self._is_followed
        self._lay_out()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them again; the line on top stays there."""
        on_top = self._line_on_top()
        self._is_wrapped = not self._is_wrapped
        self._top = sum(len(self._rows(one)) for one in self._whole[:on_top])
        self._lay_out()

    def _go_to_match(self, begin: int, by: int) -> bool:
        count = self.count()
        rows = ((begin + by * i) % count for i in range(count))
        found = next((row for row in rows if self._sought in plain(self._lines[row]).casefold()), None)
        if found is None:
            self.repaint()
            return False
        self._is_followed = False
        self._top = found
        self.repaint()
        return True

    def _line_on_top(self) -> int:
        row = 0
        for i, one in enumerate(self._whole):
            row += len(self._rows(one))
            if row > self._top:
                return i
        return 0

    def _rows(self, one: Line) -> Sequence[Line]:
        return folded(one, self.size.width) if self._is_wrapped else (one,)

    def _lay_out(self) -> None:
        rows = [row for one in self._whole for row in self._rows(one)]
        if self._is_followed:
            self._top = len(rows)
        self.show(rows)
