"""A list of things to choose from by one key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from gpuq_tui.lines.line import Line, Look, Tone, fit
from gpuq_tui.widgets.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One line of a menu: the key that takes it, what it is, and in more words."""

    key: str
    text: str
    more: str = ""


class Menu(ModalScreen[int | None]):
    """Gives the place of what was chosen, by its key or by enter; None if nothing was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "give_up", "close"),
        Binding("enter", "take", "take it", priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], *, look: Look) -> None:
        super().__init__()
        self._choices = choices
        self._rows = Rows(look=look, title=f"{title} (esc closes)", id="menu")
        self._look = look

    def compose(self) -> ComposeResult:
        """Yield the list."""
        yield self._rows

    def on_mount(self) -> None:
        """Show the choices in as many rows as they need."""
        self._rows.styles.height = len(self._choices) + 3  # the rule and the frame
        width = max((len(choice.text) for choice in self._choices), default=0)
        lines = [_line(choice, min(width, 40), self._look) for choice in self._choices]
        self._rows.show_rows([choice.key for choice in self._choices], lines, title=self._rows.title)
        self.set_focus(self._rows)

    def on_key(self, event: events.Key) -> None:
        """Take what has this key."""
        at = next((i for i, choice in enumerate(self._choices) if choice.key == event.character), None)
        if at is not None:
            event.stop()
            self.dismiss(at)

    def action_take(self) -> None:
        """Take what the cursor is on."""
        self.dismiss(self._rows.cursor if self._choices else None)

    def action_give_up(self) -> None:
        """Take nothing."""
        self.dismiss(None)


def _line(choice: Choice, width: int, look: Look) -> Line:
    return (
        (f"{choice.key}  ", Tone.STRONG),
        (fit(choice.text, width, look) + "  ", Tone.PLAIN),
        (choice.more, Tone.DIM),
    )
