"""Asks before something is destroyed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from gpuq.models import Job
from gpuq.units import plural
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.lines.queue import elapsed_s
from gpuq_tui.widgets.pane import Pane


class ConfirmCancel(ModalScreen[bool]):
    """Names the job and what is lost; gives True for `y` only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "cancel the job"),
        Binding("n,escape,q,enter", "answer(False)", "keep it"),
    ]

    def __init__(self, job: Job, *, now: float, look: Look) -> None:
        super().__init__()
        self._lines = question(job, now=now)
        self._look = look

    def compose(self) -> ComposeResult:
        """Yield the question."""
        yield Pane(look=self._look, title="Cancel?", id="confirm")

    def on_mount(self) -> None:
        """Show the question in as many rows as it needs."""
        pane = self.query_one(Pane)
        pane.styles.height = len(self._lines) + 3  # the rule and the frame
        pane.show(self._lines)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


def question(job: Job, *, now: float, width: int = 56) -> list[Line]:
    """Return what to ask before `job` is cancelled: which it is, whose, and what it holds."""
    state = f"{job.state} for {short(elapsed_s(job, now))}"
    holds = f"{state}, holds {plural(job.gpus, 'GPU')}" if job.state.holds_gpus else state
    return [
        line(""),
        *(line("  " + part, Tone.STRONG) for part in wrap(f"Job {job.id} {job.name}", width - 4, most=3)),
        *(line("  " + part) for part in wrap(f"of {job.user}, {holds}.", width - 4, most=3)),
        line(""),
        (
            ("  y", Tone.STRONG),
            ("  cancel it", Tone.PLAIN),
            ("      n, esc", Tone.STRONG),
            ("  keep it", Tone.PLAIN),
        ),
        line(""),
    ]
