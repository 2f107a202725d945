"""Curves side by side, of one job or laid over each other for several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from gpuq.models import Job
from gpuq_tui.feed import Answer, Charts, ChartsWanted, Wanted
from gpuq_tui.foreign import cleaned_text
from gpuq_tui.lines.chart import Scale
from gpuq_tui.lines.line import Look
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.chart import ChartPane

MOST_JOBS = 6
_PANES = 4


class ChartsScreen(View):
    """View 6: four tags at a time, or one; the jobs that are marked in the queue, else the one under its cursor."""

    name_of_view = "charts"
    is_root = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "tags(-1)", "tags before"),
        Binding("l,right", "tags(1)", "next tags"),
        Binding("c,enter,z", "grid", "one chart, or four"),
        Binding("W", "csv", "print the curves as CSV"),
        Binding("q", "go('queue')", "back to the queue"),
    ]

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__(look=look, clock=clock)
        self._jobs: tuple[Job, ...] = ()
        self._charts: Charts | None = None
        self._scale = Scale()
        self._first = 0
        self._only: int | None = None
        self._panes = tuple(ChartPane(look=look, title="Chart", id=f"chart-{i}") for i in range(_PANES))

    @property
    def selected(self) -> Job | None:
        """Return the first of the jobs."""
        return self._jobs[0] if self._jobs else None

    @property
    def chosen(self) -> Sequence[Job]:
        """Return the jobs whose curves these are."""
        return self._jobs

    def choose(self, job: Job | None) -> None:
        """Draw the curves of another job."""
        self.choose_all(() if job is None else (job,))

    def choose_all(self, jobs: Sequence[Job]) -> None:
        """Draw the curves of several jobs over each other, the first `MOST_JOBS` of them."""
        wanted = tuple(jobs[:MOST_JOBS]) or self._jobs or tuple(job for job in self.jobs if job.progress)[:1]
        if [job.id for job in wanted] != [job.id for job in self._jobs]:
            self._charts, self._first = None, 0
        self._jobs = wanted
        self._show()

    def wanted(self) -> Wanted:
        """Return the curves in view."""
        if not self._jobs:
            return Wanted()
        most = _PANES if self._only is None else 1
        columns = max(pane.columns for pane in self._panes)
        ids = tuple(job.id for job in self._jobs)
        return Wanted(charts=ChartsWanted(job_ids=ids, first=self._first, most=most, columns=columns))

    def keys(self) -> str:
        """Return the commonest keys."""
        return "h l tags  c one or four  +-0 smooth  Y log  a time  , . value  ? help  q back"

    def body(self) -> ComposeResult:
        """Yield the charts."""
        with Container(id="charts"):
            yield from self._panes

    def show_answer(self, answer: Answer) -> None:
        """Draw what came, if it is still what is wanted."""
        if not self._jobs:
            self.choose_all(())
        if answer.charts is not None and answer.wanted.charts == self.wanted().charts:
            self._charts = answer.charts
        self._show()

    def on_mount(self) -> None:
        """Show what is known before the first answer."""
        super().on_mount()
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """Draw all anew."""
        super().on_resize()
        self.call_after_refresh(self._show)

    @on(ChartPane.Rescaled)
    def _rescaled(self, message: ChartPane.Rescaled) -> None:
        self._scale = message.scale
        self._show()

    def action_tags(self, by: int) -> None:
        """Show other tags, as many on as are in view."""
        count = 0 if self._charts is None else len(self._charts.tags)
        step = _PANES if self._only is None else 1
        first = self._first + by * step
        if 0 <= first < count:
            self._first, self._charts = first, None
            self.post_message(self.Wants())
            self._show()
        else:
            self.say(f"There are {count} tags, and these are the {'first' if by < 0 else 'last'}.")

    def action_grid(self) -> None:
        """Give all room to the chart that has the keys, or show four again."""
        if self._only is None:
            focused = next((i for i, pane in enumerate(self._panes) if pane.has_focus), 0)
            self._first += focused
            self._only = 0
        else:
            self._first -= self._first % _PANES
            self._only = None
        self._panes[0].focus()
        self.set_class(self._only is not None, "-one-chart")
        self._charts = None
        self.post_message(self.Wants())
        self.call_after_refresh(self._show)

    def action_csv(self) -> None:
        """Let `gpuq plot` print the curves."""
        if self._charts is not None and self._charts.tags and self._jobs:
            tag = self._charts.tags[min(self._first, len(self._charts.tags) - 1)][0]
            self.post_message(self.LineAsked(("plot", *(job.shown_id for job in self._jobs), tag, "--csv")))

    def _show(self) -> None:
        if not self.is_mounted:
            return
        charts = self._charts
        for i, pane in enumerate(self._panes):
            if charts is None or self._first + i >= len(charts.tags) or i >= len(charts.curves):
                missing = self._missing() if i == 0 or charts is None else ""
                pane.show_curves((), missing=missing, title="-", scale=self._scale)
                continue
            tag, run = charts.tags[self._first + i]
            name = cleaned_text(tag if run == "." else f"{run}/{tag}", self.look)
            title = f"{name}  {self._first + i + 1} of {len(charts.tags)}" if i == 0 else name
            pane.show_curves(charts.curves[i], missing="no points", title=title, scale=self._scale)

    def _missing(self) -> str:
        if not self._jobs:
            return "No job has curves yet: mark some in the queue (space), and come back."
        ids = " ".join(job.shown_id for job in self._jobs)
        return "asking gpuqd" + self.look.cut if self._charts is None else f"no values yet of job {ids}"
