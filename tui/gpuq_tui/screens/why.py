"""All about why one job is where it is."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpuq.models import Job, JobState, Why
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.line import Look, Tone, line
from gpuq_tui.lines.why import title, whole_lines
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.pane import Pane


class WhyScreen(View):
    """View 2: the reason, its arithmetic, the promised start, every term of the priority."""

    name_of_view = "why"
    is_root = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "step(-1)", "the job before that waits", key_display="["),
        Binding("right_square_bracket", "step(1)", "the next job that waits", key_display="]"),
        Binding("enter", "open", "open the job"),
        Binding("q", "go('queue')", "back to the queue"),
    ]

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__(look=look, clock=clock)
        self._job: Job | None = None
        self._why: Why | None = None
        self._pane = Pane(look=look, title="Why", id="whole-why")

    @property
    def selected(self) -> Job | None:
        """Return the job that this is about."""
        return self._job

    def choose(self, job: Job | None) -> None:
        """Show another job; without one, the first that waits."""
        self._job = job or self._job or next(iter(self._waiting()), None)
        self._show()

    def wanted(self) -> Wanted:
        """Return why the job is where it is."""
        return Wanted(job_id=None if self._job is None else self._job.id)

    def keys(self) -> str:
        """Return the commonest keys."""
        return "jk scroll  [ ] other job  enter open  x act  : command  ? help  q queue"

    def body(self) -> ComposeResult:
        """Yield the pane."""
        yield self._pane

    def show_answer(self, answer: Answer) -> None:
        """Show what came of this job."""
        if self._job is None:
            self.choose(None)
        known = (*(answer.jobs or ()), *(() if answer.job is None else (answer.job,)))
        if self._job is not None:
            self._job = next((job for job in known if job.id == self._job.id), self._job)
        self._why = answer.why or self._why
        self._show()

    def show_time(self) -> None:
        """Let the spans go on."""
        super().show_time()
        self._show()

    def on_resize(self) -> None:
        """Wrap the text anew."""
        super().on_resize()
        self.call_after_refresh(self._show)

    def action_open(self) -> None:
        """Show all of the job."""
        if self._job is not None:
            self.post_message(self.OpenAsked(self._job))

    def action_step(self, by: int) -> None:
        """Show the job `by` places on among those that wait."""
        waiting = self._waiting()
        if not waiting:
            self.say("No job waits.")
            return
        ids = [job.id for job in waiting]
        at = ids.index(self._job.id) + by if self._job is not None and self._job.id in ids else 0
        self._job = waiting[max(0, min(at, len(waiting) - 1))]
        self._show()
        self.post_message(self.Wants())

    def _waiting(self) -> list[Job]:
        return [job for job in self.jobs if job.state is JobState.PENDING]

    def _show(self) -> None:
        if not self.is_mounted:
            return
        if self._job is None:
            self._pane.show([line("No job waits.", Tone.DIM)], title="Why")
            return
        now = self.data_time
        lines = whole_lines(self._job, self._why, now=now, width=self._pane.size.width, look=self.look)
        self._pane.show(lines, title=title(self._job, now))
