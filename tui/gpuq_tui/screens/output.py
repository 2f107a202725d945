"""What a command line prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpuq.models import Job
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.foreign import cleaned_log
from gpuq_tui.lines.line import Look, Tone, line
from gpuq_tui.lines.log import LogTail
from gpuq_tui.lines.verbs import is_following, line_of
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.log import LogPane


class OutputScreen(View):
    """Shows the lines of a command as they come; leaving it ends the command."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "back", "one step back, and end the command")]

    def __init__(self, words: Sequence[str], *, look: Look, clock: Clock) -> None:
        super().__init__(look=look, clock=clock)
        self._words = words
        self._tail = LogTail()
        self._code: int | None = None
        self._pane = LogPane(look=look, title=line_of(words), id="output", follows=is_following(words))

    @property
    def selected(self) -> Job | None:
        """Return no job: keys act on the text alone."""
        return None

    @property
    def is_over(self) -> bool:
        """Whether the command has ended."""
        return self._code is not None

    def wanted(self) -> Wanted:
        """Want nothing of gpuqd."""
        return Wanted()

    def keys(self) -> str:
        """Return the keys of the text."""
        return "jk scroll  / search  n N match  F follow  \\ wrap  ? help  q back"

    def body(self) -> ComposeResult:
        """Yield the pane."""
        yield self._pane

    def show_answer(self, answer: Answer) -> None:
        """Leave the text as it is."""

    def on_mount(self) -> None:
        """Say that nothing has come yet."""
        super().on_mount()
        self.call_after_refresh(self._show)

    def add(self, text: str) -> None:
        """Add a piece of output."""
        self._tail = self._tail.with_text(cleaned_log(text, self.look))
        self._show()

    def end(self, code: int) -> None:
        """Say how the command ended."""
        self._code = code
        self._show()

    def action_back(self) -> None:
        """Go one step back."""
        self.post_message(self.Left(self))
        super().action_back()

    def _show(self) -> None:
        lines = self._tail.view()
        if not lines:
            lines = [line("no output" if self._code is not None else "running" + self.look.cut, Tone.DIM)]
        ended = "" if not self._code else f"  (exit code {self._code})"
        self._pane.show_log(lines, title=line_of(self._words) + ended, is_ended=self._code is not None)
