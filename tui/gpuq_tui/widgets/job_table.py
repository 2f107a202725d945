"""The table of jobs with a cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.message import Message

from gpuq.models import Job
from gpuq_tui.lines.line import Line, Look
from gpuq_tui.lines.queue import Columns, heading, row
from gpuq_tui.widgets.pane import Pane


class JobTable(Pane):
    """Shows jobs in the order given; the cursor stays on its job when others come and go."""

    @dataclass
    class Selected(Message):
        """The cursor is on another job, or on none."""

        job: Job | None

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._jobs: Sequence[Job] = ()
        self._nothing: Sequence[Line] = ()
        self._free: Mapping[str, int] | None = None
        self._at = 0
        self._now = 0.0
        self._selected_id: int | None = None
        self._columns = Columns.of(80, 4)

    @property
    def selected(self) -> Job | None:
        """Return the job under the cursor; None if there is none."""
        return self._jobs[self._at] if self._at < len(self._jobs) else None

    @property
    def cursor(self) -> int:
        """Return the row of the cursor, from 0."""
        return self._at

    def show_jobs(
        self,
        jobs: Sequence[Job],
        *,
        now: float,
        title: str,
        free: Mapping[str, int] | None = None,
        nothing: Sequence[Line] = (),
    ) -> None:
        """Show `jobs` as of `now`, or `nothing` if there are none.

        If the selected one is gone the cursor stays in its row.
        `free` is how many GPUs are free in each partition, None if nobody knows.
        """
        self._jobs, self._now, self._title = jobs, now, title
        self._free, self._nothing = free, nothing
        at = next((i for i, job in enumerate(jobs) if job.id == self._selected_id), self._at)
        self._set_cursor(at)

    def show_time(self, now: float) -> None:
        """Show the same jobs as of `now`."""
        self._now = now
        self.repaint()

    def count(self) -> int:
        """Return how many jobs there are."""
        return len(self._jobs)

    def heading(self) -> Line:
        """Return the names of the columns."""
        return heading(self._columns, self.look)

    def line_at(self, index: int) -> Line:
        """Return the line of a job, with `>` for the cursor."""
        (first, tone), *rest = row(self._jobs[index], self._columns, now=self._now, look=self.look, free=self._free)
        return ((("> " if self.is_cursor(index) else "  ") + first, tone), *rest)

    def line_beyond(self, index: int) -> Line:
        """Return what to say where there are no jobs."""
        return self._nothing[index] if not self._jobs and index < len(self._nothing) else ()

    def is_cursor(self, index: int) -> bool:
        """Whether line `index` is the selected job's."""
        return index == self._at

    def place(self) -> str:
        """Return which job the cursor is on, of how many."""
        return f" {self._at + 1}/{len(self._jobs)} " if self._jobs else ""

    def repaint(self) -> None:
        """Bring the cursor into view and draw what changed."""
        longest = max((len(str(job.id)) for job in (*self._jobs[:1], *self._jobs[-1:])), default=1)
        self._columns = Columns.of(self.size.width, longest)
        self._top = max(self._at - max(1, self.body_height) + 1, min(self._top, self._at))
        super().repaint()

    def action_move(self, by: int) -> None:
        """Move the cursor by jobs."""
        self._set_cursor(self._at + by)

    def _set_cursor(self, at: int) -> None:
        self._at = max(0, min(at, len(self._jobs) - 1))
        self.repaint()
        selected = self.selected
        selected_id = None if selected is None else selected.id
        if selected_id != self._selected_id:
            self._selected_id = selected_id
            self.post_message(self.Selected(selected))
