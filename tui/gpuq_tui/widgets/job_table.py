"""The table of jobs with a cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gpuq.models import Job
from gpuq_tui.lines.line import Line, Look
from gpuq_tui.lines.queue import Columns, heading, row
from gpuq_tui.widgets.rows import Rows


class JobTable(Rows):
    """Shows jobs in the order given. Lines are made as they come into view: there may be a hundred thousand."""

    def __init__(self, *, look: Look, title: str, id: str | None = None) -> None:
        super().__init__(look=look, title=title, id=id)
        self._jobs: Sequence[Job] = ()
        self._free: Mapping[str, int] | None = None
        self.extras: Sequence[str] = ()
        self._now = 0.0
        self._longest = 1
        self._columns = Columns.of(80, 4)

    @property
    def selected(self) -> Job | None:
        """Return the job under the cursor; None if there is none."""
        return self._jobs[self._at] if self._at < len(self._jobs) else None

    @property
    def chosen(self) -> Sequence[Job]:
        """Return the marked jobs that are shown; where none is marked, the one under the cursor."""
        marked = [job for job in self._jobs if job.id in self.marked] if self.marked else []
        return marked or ([] if self.selected is None else [self.selected])

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
        self.keep_cursor()

    def show_time(self, now: float) -> None:
        """Show the same jobs as of `now`."""
        self._now = now
        self.repaint()

    def keep_marks(self, known: Callable[[int], Job | None]) -> None:
        """Take the marks away of jobs that are not `known` any more."""
        self.marked = {key: None for key in self.marked if isinstance(key, int) and known(key) is not None}

    def count(self) -> int:
        """Return how many jobs there are."""
        return len(self._jobs)

    def key_at(self, index: int) -> int:
        """Return the number of a job."""
        return self._jobs[index].id

    def heading(self) -> Line:
        """Return the names of the columns."""
        return heading(self._columns, self.look)

    def body_at(self, index: int) -> Line:
        """Return the line of a job."""
        return row(self._jobs[index], self._columns, now=self._now, look=self.look, free=self._free)

    def repaint(self) -> None:
        """Fit the columns to the numbers that there are, and draw what changed."""
        count = self.count()
        seen = {0, count - 1, *range(self._top, min(count, self._top + self.body_height))} if count else ()
        widths = (len(self._jobs[i].shown_id) for i in seen)
        self._longest = max(self._longest, *widths, 1)  # it only grows: columns do not jump back and forth
        self._columns = Columns.of(self.size.width, self._longest, self.extras)
        super().repaint()
