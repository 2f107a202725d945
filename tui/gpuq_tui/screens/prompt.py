"""The line where a command is typed, with what may come next above it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.widgets.pane import Pane

Complete = Callable[[Sequence[str], str], Sequence[str]]
"""What the last word, given the words before it, may become."""

_MOST_ROWS = 4
_MOST_SHOWN = 200


def nothing(words: Sequence[str], part: str) -> Sequence[str]:
    """Complete to nothing."""
    return ()


class Prompt(ModalScreen[str | None]):
    """Gives the line that was typed, None if the user gave it up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "give it up", priority=True),
        Binding("tab", "complete(1)", "complete, then the next that fits", priority=True),
        Binding("shift+tab", "complete(-1)", "the one before", priority=True),
        Binding("up,ctrl+p", "recall(-1)", "the line before", priority=True),
        Binding("down,ctrl+n", "recall(1)", "the line after", priority=True),
    ]

    def __init__(
        self, text: str, *, look: Look, history: Sequence[str] = (), complete: Complete = nothing, sign: str = ":"
    ) -> None:
        super().__init__()
        self._sign = sign
        self._history = [*history, text]
        self._at = len(history)
        self._complete = complete
        self._look = look
        self._fits: Sequence[str] = ()
        self._round: tuple[str, int] | None = None
        self._input = Input(text, id="command", compact=True, select_on_focus=False, max_length=4000)
        self._above = Pane(look=look, id="completions")

    def compose(self) -> ComposeResult:
        """Yield what fits, and the line."""
        yield self._above
        with Horizontal(id="command-line"):
            yield Static(self._sign, id="colon")
            yield self._input

    def on_mount(self) -> None:
        """Take the keys."""
        self._input.cursor_position = len(self._input.value)
        self.set_focus(self._input)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits now."""
        event.stop()
        if self._round is None or event.value != self._text_of_round():
            self._round = None
            before, part = parted(event.value)
            self._fits = tuple(self._complete(before, part))[:_MOST_SHOWN]
        self._show_fits()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the line."""
        event.stop()
        self.dismiss(event.value.strip() or None)

    def action_give_up(self) -> None:
        """Close without a line."""
        self.dismiss(None)

    def action_complete(self, by: int) -> None:
        """Complete the last word as far as all that fits agrees; then try one after the other."""
        text = self._input.value
        if not self._fits:
            return
        if self._round is None:
            head = text[: len(text) - len(parted(text)[1])]
            common = common_beginning(self._fits)
            if len(self._fits) == 1:
                self._set(head + _word(self._fits[0]) + " ")
                return
            if len(common) > len(parted(text)[1]):
                self._set(head + common)
                return
            self._round = (head, -1 if by > 0 else 0)
        head, at = self._round
        self._round = (head, (at + by) % len(self._fits))
        self._set(self._text_of_round())
        self._show_fits()

    def action_recall(self, by: int) -> None:
        """Bring back a line that was typed before."""
        self._history[self._at] = self._input.value
        self._at = max(0, min(self._at + by, len(self._history) - 1))
        self._set(self._history[self._at])

    def _text_of_round(self) -> str:
        assert self._round is not None
        head, at = self._round
        return head + _word(self._fits[at])

    def _set(self, text: str) -> None:
        self._input.value = text
        self._input.cursor_position = len(text)

    def _show_fits(self) -> None:
        chosen = self._round[1] if self._round is not None else None
        lines = fitting_lines(self._fits, chosen, width=self.size.width)[:_MOST_ROWS]
        self._above.styles.height = len(lines)
        self._above.show(lines)


def parted(text: str) -> tuple[list[str], str]:
    """Return the whole words of a line, a leading `gpuq` left out, and the word that is being typed."""
    head, space, part = text.rpartition(" ")
    try:
        words = shlex.split(head + space)
    except ValueError:  # within a quotation
        words = head.split()
    return (words[1:] if words[:1] == ["gpuq"] else words), part


def common_beginning(words: Sequence[str]) -> str:
    """Return what all of `words`, at least one, begin with."""
    first, last = min(words), max(words)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def fitting_lines(fits: Sequence[str], chosen: int | None, *, width: int) -> list[Line]:
    """Return what fits, side by side in as many rows as it takes; the chosen one in brackets."""
    words = [f"[{word}]" if i == chosen else word for i, word in enumerate(fits)]
    return [line(row, Tone.DIM) for row in wrap("  ".join(words), width)] if words else []


def _word(word: str) -> str:
    return shlex.quote(word)
