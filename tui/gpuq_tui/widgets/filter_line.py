"""The line where a filter is typed; not there until it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """One line of text that is told letter by letter. Enter keeps the filter, esc gives it up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "no filter", key_display="esc"),
        Binding("enter,down,tab", "keep", "keep the filter"),
    ]

    @dataclass
    class Typed(Message):
        """The text is another one."""

        text: str

    class Left(Message):
        """The keys are free again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, select_on_focus=False, max_length=200)
        self.placeholder = "words, !not, user=ann, state=run, gpus>4"
        self.display = False

    def open(self, text: str) -> None:
        """Show the line with `text` in it and take the keys."""
        self.display = True
        self.value = text
        self.cursor_position = len(text)
        self.screen.set_focus(self)

    def close(self) -> None:
        """Hide the line and let go of the keys."""
        if self.display:
            self.display = False
            self.post_message(self.Left())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the text as it is typed."""
        event.stop()
        if self.display:
            self.post_message(self.Typed(event.value))

    def action_keep(self) -> None:
        """Leave with the filter as it is."""
        self.close()

    def action_give_up(self) -> None:
        """Leave without a filter."""
        self.post_message(self.Typed(""))
        self.close()
