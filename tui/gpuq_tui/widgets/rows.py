"""Lines with a cursor, each about one thing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from gpuq_tui.lines.line import Line, Look
from gpuq_tui.widgets.pane import Pane


class Rows(Pane):
    """Shows a line for each of some keys; the cursor stays on its key when others come and go.

    Marked keys have a `*`, the one under the cursor a `>`. `key_at` and `line_at` may be overridden to make lines as
    they are needed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark, or not any more"),
        Binding("asterisk", "mark_all", "mark all that are shown", key_display="*"),
        Binding("ctrl+backslash", "unmark", "no marks"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another key, or on none."""

        rows: Rows
        key: Hashable | None

    @dataclass
    class Marked(Message):
        """Other keys are marked."""

        rows: Rows

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self.marked: dict[Hashable, None] = {}
        self._keys: Sequence[Hashable] = ()
        self._row_lines: Sequence[Line] = ()
        self._heading: Line | None = None
        self._nothing: Sequence[Line] = ()
        self._at = 0
        self._key: Hashable | None = None

    @property
    def cursor(self) -> int:
        """Return the row of the cursor, from 0."""
        return self._at

    @property
    def key(self) -> Hashable | None:
        """Return what the line under the cursor is about; None if there is no line."""
        return self.key_at(self._at) if self._at < self.count() else None

    def show_rows(
        self,
        keys: Sequence[Hashable],
        lines: Sequence[Line],
        *,
        title: str,
        heading: Line | None = None,
        nothing: Sequence[Line] = (),
    ) -> None:
        """Show `lines`, each about the key of its place; `nothing` if there are none."""
        self._keys, self._row_lines = keys, lines
        self._title, self._heading, self._nothing = title, heading, nothing
        self.keep_cursor()

    def keep_cursor(self) -> None:
        """Bring the cursor to where its key is now; if that is gone it stays in its row."""
        self.set_cursor(next((i for i in range(self.count()) if self.key_at(i) == self._key), self._at))

    def go_to(self, key: Hashable) -> None:
        """Put the cursor on a key, if there is a line about it."""
        self.set_cursor(next((i for i in range(self.count()) if self.key_at(i) == key), self._at))

    def count(self) -> int:
        """Return how many lines there are."""
        return len(self._keys)

    def key_at(self, index: int) -> Hashable:
        """Return what line `index` is about."""
        return self._keys[index]

    def body_at(self, index: int) -> Line:
        """Return line `index` without cursor and mark."""
        return self._row_lines[index]

    def line_at(self, index: int) -> Line:
        """Return line `index`, with `>` for the cursor and `*` for a mark."""
        (first, tone), *rest = self.body_at(index)
        signs = (">" if self.is_cursor(index) else " ") + ("*" if self.key_at(index) in self.marked else " ")
        return ((signs + first, tone), *rest)

    def line_beyond(self, index: int) -> Line:
        """Return what to say where there are no lines."""
        return self._nothing[index] if not self.count() and index < len(self._nothing) else ()

    def heading(self) -> Line | None:
        """Return the names of the columns."""
        return self._heading

    def is_cursor(self, index: int) -> bool:
        """Whether line `index` is the one under the cursor."""
        return index == self._at

    def place(self) -> str:
        """Return which line the cursor is on, of how many, and how many are marked."""
        marks = f" {len(self.marked)} marked " if self.marked else ""
        return marks + (f" {self._at + 1}/{self.count()} " if self.count() else "")

    def repaint(self) -> None:
        """Bring the cursor into view and draw what changed."""
        self._top = max(self._at - max(1, self.body_height) + 1, min(self._top, self._at))
        super().repaint()

    def action_move(self, by: int) -> None:
        """Move the cursor by lines."""
        self.set_cursor(self._at + by)

    def action_mark(self) -> None:
        """Mark what the cursor is on, or take its mark away, and go on to the next."""
        if self.key is None:
            return
        if self.key in self.marked:
            del self.marked[self.key]
        else:
            self.marked[self.key] = None
        self.post_message(self.Marked(self))
        self.action_move(1)

    def action_mark_all(self) -> None:
        """Mark all that are shown."""
        self.marked.update((self.key_at(i), None) for i in range(self.count()))
        self._marks_changed()

    def action_unmark(self) -> None:
        """Take all marks away."""
        self.marked.clear()
        self._marks_changed()

    def set_cursor(self, at: int) -> None:
        """Put the cursor on a line, or as near as there is one."""
        self._at = max(0, min(at, self.count() - 1))
        self.repaint()
        if self.key != self._key:
            self._key = self.key
            self.post_message(self.Moved(self, self._key))

    def _marks_changed(self) -> None:
        self.repaint()
        self.post_message(self.Marked(self))
