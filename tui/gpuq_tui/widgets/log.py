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

    class BottomReached(Message):
        """The user wants to see what stands after the last line of a part of a log."""

    class EndAsked(Message):
        """The user wants the end of a log of which a part is shown."""

    class MatchSought(Message):
        """No line that is here has the text, or none above: it may stand further up in the log."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, look: Look, title: str, id: str | None = None, follows: bool = True) -> None:
        super().__init__(look=look, title=title, id=id)
        self._is_followed = follows
        self._sought = ""
        self._is_wrapped = False
        self._is_ended = False
        self._is_part = self._may_be_more = False
        self._whole: Sequence[Line] = ()

    def show_log(
        self,
        lines: Sequence[Line],
        *,
        title: str,
        is_ended: bool,
        above: int = 0,
        is_part: bool = False,
        may_be_more: bool = False,
    ) -> None:
        """Show other lines; the end of them if it is followed. `is_ended` says that no more will come.

        `is_part`: they are from the midst of a log; `may_be_more`: more can be looked through than is here.
        `above` is how many of them are new above the others, below zero how many have gone from above: what is on the
        screen stays there.
        """
        if not self._is_followed:
            self._top += sum(len(self._rows(one)) for one in lines[: max(0, above)])
            self._top -= sum(len(self._rows(one)) for one in self._whole[: max(0, -above)])
        self._whole, self._is_ended, self._title = lines, is_ended, title
        self._is_part, self._may_be_more = is_part, may_be_more
        self._is_followed = self._is_followed and not is_part
        self._lay_out()

    def on_resize(self) -> None:
        """Keep the end in view if it is followed."""
        self._lay_out()

    def place(self) -> str:
        """Return where the pane is and whether it follows."""
        follows = "[follow] " if self._is_followed else ""
        sought = f"/{self._sought[:20]} " if self._sought else ""
        state = "[a part: G the end] " if self._is_part else "[ended] " if self._is_ended else follows
        return super().place() + sought + state

    def line_at(self, index: int) -> Line:
        """Return a row with what is searched for set off."""
        return matched(self._lines[index], self._sought) if self._sought else self._lines[index]

    def search(self, text: str) -> bool:
        """Go to the next row with `text` in it, in any case, from the top one on; return whether there is one."""
        self._sought = text.casefold()
        if self._go_to_match(self._top, 1):
            return True
        if self._may_be_more:
            self.post_message(self.MatchSought(self._sought))
        return self._may_be_more

    def show_match(self) -> None:
        """Go to the last match there is."""
        self._top = self.count()
        self._go_to_match(self.count() - 1, -1)

    def action_search(self) -> None:
        """Let the user type what is searched for."""
        self.post_message(TextSought(self.search))

    def action_match(self, by: int) -> None:
        """Go to the next row that matches, or the one before; round at the ends."""
        if not self._sought:
            return
        before = self._top
        is_there = self._go_to_match(self._top + by, by)
        if by < 0 and self._may_be_more and (not is_there or self._top >= before):
            self._top = before
            self.repaint()
            self.post_message(self.MatchSought(self._sought))
        elif not is_there:
            self.app.bell()

    def action_move(self, by: int) -> None:
        """Scroll, and follow if that leads to the end."""
        if by < 0 and self._top == 0:
            self.post_message(self.TopReached())
        if by > 0 and self._is_part and self._top >= self.count() - self.body_height:
            self.post_message(self.BottomReached())
        super().action_move(by)
        self._is_followed = not self._is_part and self._top >= self.count() - self.body_height
        self.repaint()

    def action_follow(self) -> None:
        """Go to the end and stay there, or stop staying there."""
        if self._is_part:
            self.post_message(self.EndAsked())
            return
        self._is_followed = not self._is_followed
        self._lay_out()

    def action_last(self) -> None:
        """Go to the last line, of a part to the end of the whole log."""
        if self._is_part:
            self.post_message(self.EndAsked())
        else:
            super().action_last()

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
