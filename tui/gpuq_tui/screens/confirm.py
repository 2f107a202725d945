"""Asks before something is destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from gpuq.models import Job
from gpuq.units import plural
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.lines.queue import elapsed_s
from gpuq_tui.lines.verbs import line_of
from gpuq_tui.widgets.pane import Pane

_MOST_NAMED = 8
_WIDTH = 56


class Confirm(ModalScreen[bool]):
    """Asks what it was given about `count` jobs; gives True for `y`, of several for their typed number, only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,escape,q", "answer(False)", "leave it"),
        Binding("enter", "enter", "leave it, or do it once the number is typed"),
    ]

    def __init__(self, asked: Sequence[Line], count: int, *, look: Look) -> None:
        super().__init__()
        self._count = str(count) if count > 1 else None
        self._typed = ""
        self._question = asked
        self._pane = Pane(look=look, title="Sure?", id="confirm")

    def compose(self) -> ComposeResult:
        """Yield the question."""
        yield self._pane

    def on_mount(self) -> None:
        """Show the question in as many rows as it needs."""
        self._show()

    def on_key(self, event: events.Key) -> None:
        """Take the answer."""
        if self._count is None:
            if event.character == "y":
                event.stop()
                self.dismiss(True)
        elif event.character is not None and event.character.isdigit():
            event.stop()
            self._typed = (self._typed + event.character)[-len(self._count) - 1 :]
            self._show()
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
            self._show()

    def action_enter(self) -> None:
        """Do it if the number was typed."""
        self.dismiss(self._count is not None and self._typed == self._count)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)

    def _show(self) -> None:
        lines = [*self._question, *answer_lines(self._count, self._typed)]
        self._pane.styles.height = len(lines) + 3  # the rule and the frame
        self._pane.show(lines)


def question(words: Sequence[str], jobs: Sequence[Job], *, now: float) -> list[Line]:
    """Return what to ask before a line is run: the line, and which jobs it is about, whose, and what they hold."""
    lines = [line(""), *(line("  " + part) for part in wrap(line_of(words), _WIDTH - 4, most=4)), line("")]
    for job in jobs[:_MOST_NAMED]:
        state = f"{job.state} for {short(elapsed_s(job, now))}"
        holds = f"{state}, holds {plural(job.gpus, 'GPU')}" if job.state.holds_gpus else state
        most = 3 if len(jobs) == 1 else 1
        lines += [
            line("  " + part, Tone.STRONG) for part in wrap(f"Job {job.shown_id} {job.name}", _WIDTH - 4, most=most)
        ]
        lines += [line("  " + part) for part in wrap(f"of {job.user}, {holds}.", _WIDTH - 4, most=most)]
    if len(jobs) > _MOST_NAMED:
        lines.append(line(f"  and {len(jobs) - _MOST_NAMED} more"))
    return [*lines, line("")]


def found_question(words: Sequence[str], found: Sequence[str]) -> list[Line]:
    """Return what to ask before a line is run of which gpuqd has said what it would do, a sentence a job."""
    lines = [line(""), *(line("  " + part) for part in wrap(line_of(words), _WIDTH - 4, most=4)), line("")]
    for said in found[:_MOST_NAMED]:
        lines += [line("  " + part, Tone.STRONG) for part in wrap(said, _WIDTH - 4, most=1)]
    if len(found) > _MOST_NAMED:
        lines.append(line(f"  and {len(found) - _MOST_NAMED} more"))
    return [*lines, line("")]


def answer_lines(count: str | None, typed: str) -> list[Line]:
    """Return the ways to answer; `count` is what must be typed for several jobs."""
    if count is None:
        does: Line = (("  y", Tone.STRONG), ("  do it", Tone.PLAIN))
    else:
        does = (("  " + count, Tone.STRONG), (" and enter: do it   typed: ", Tone.PLAIN), (typed or "-", Tone.STRONG))
    return [(*does, ("      n, esc", Tone.STRONG), ("  leave it", Tone.PLAIN)), line("")]
