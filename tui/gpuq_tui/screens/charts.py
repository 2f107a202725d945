"""Curves and distributions side by side, curves of several jobs laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from gpuq.client import Json
from gpuq.models import Job
from gpuq_tui.charting import Charts, ChartsWanted, Name, Shown
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.chart import label
from gpuq_tui.lines.heat import bins_in, heat_lines, weights_lines
from gpuq_tui.lines.line import Line, Look
from gpuq_tui.lines.scale import Scale
from gpuq_tui.lines.undrawn import KINDS, no_curves
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.chart import ChartPane

MOST_JOBS = 6
_PAIR = 2
_PANES = 4


class ChartsScreen(View):
    """View 6: four charts at a time, or one; of the jobs marked in the queue, else of the one under its cursor."""

    name_of_view = "charts"
    is_root = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "tags(-1)", "charts before"),
        Binding("l,right", "tags(1)", "next charts"),
        Binding("c,enter,z", "grid", "one chart, or four"),
        Binding("d", "kind", "curves, distributions over steps, numbers in the newest checkpoint"),
        Binding("R", "ridges", "distributions: as a map, or a line a step"),
        Binding("u", "together", "all runs of a tag in one chart, or each in its own"),
        Binding("space", "pick", "add a job's curves, or take them away"),
        Binding("W", "csv", "print the curves as CSV"),
        Binding("q", "go('queue')", "back to the queue"),
    ]

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__(look=look, clock=clock)
        self._jobs: tuple[Job, ...] = ()
        self._charts: Charts | None = None
        self._scale = Scale()
        self._kind = KINDS[0]
        self._is_together = self._is_ridges = False
        self._refused: dict[str, str] = {}
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
        panes = self._panes if self._only is None else self._panes[:1]
        return Wanted(
            charts=ChartsWanted(
                job_ids=tuple(job.id for job in self._jobs),
                first=self._first,
                most=most,
                columns=columns,
                kind=self._kind,
                scale=self._scale,
                bins=bins_in(max(pane.body_height for pane in panes), self._kind),
                is_together=self._is_together,
            )
        )

    def keys(self) -> str:
        """Return the commonest keys."""
        if self._kind == "curves":
            return "h l charts  c one  d histograms  +- smooth  Y log  , . value  i o zoom  ? help"
        ridges = "R ridges  " if self._kind == "histograms" else ""
        return f"h l charts  c one or four  d {_NEXT[self._kind]}  {ridges}? help  q back"

    def body(self) -> ComposeResult:
        """Yield the charts."""
        with Container(id="charts"):
            yield from self._panes

    def show_answer(self, answer: Answer) -> None:
        """Draw what came, if it is still what is wanted."""
        if not self._jobs:
            self.choose_all(())
        if answer.charts is not None and answer.wanted.charts == self.wanted().charts:
            self._charts, self._refused = answer.charts, answer.refused
        self._jobs = tuple(self._known(job) for job in self._jobs)
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
        self.post_message(self.Wants())

    @on(ChartPane.Pointed)
    def _pointed(self, message: ChartPane.Pointed) -> None:
        for pane in self._panes:
            pane.point_at(message.at)

    def action_tags(self, by: int) -> None:
        """Show other tags, as many on as are in view."""
        count = 0 if self._charts is None else len(self._charts.names)
        step = _PANES if self._only is None else 1
        first = self._first + by * step
        if 0 <= first < count:
            self._first, self._charts = first, None
            self.post_message(self.Wants())
            self._show()
        else:
            self.say(f"There are {count} charts, and these are the {'first' if by < 0 else 'last'}.")

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
        self._charts = None
        self.post_message(self.Wants())
        self.call_after_refresh(self._show)

    def action_csv(self) -> None:
        """Let `gpuq plot` print the curves."""
        if self._charts is not None and self._charts.names and self._jobs and self._kind == "curves":
            tag = self._charts.names[min(self._first, len(self._charts.names) - 1)].tag
            self.post_message(self.LineAsked(("plot", *(job.shown_id for job in self._jobs), tag, "--csv")))

    def action_kind(self) -> None:
        """Show charts of the next kind."""
        self._kind = _NEXT[self._kind]
        self._begin_anew()

    def action_ridges(self) -> None:
        """Draw distributions in the other way."""
        self._is_ridges = not self._is_ridges
        self._show()

    def action_together(self) -> None:
        """Lay the runs of a tag over each other, or not."""
        self._is_together = not self._is_together
        self.say("all runs of a tag in one chart" if self._is_together else "each run in its own chart")
        self._begin_anew()

    def action_pick(self) -> None:
        """Let the user choose a job whose curves come or go."""
        self.post_message(self.PickAsked())

    def flip(self, job: Job) -> None:
        """Draw a job's curves too, or not any more."""
        others = tuple(one for one in self._jobs if one.id != job.id)
        picked = others if len(others) < len(self._jobs) else (*self._jobs, job)
        if len(picked) > MOST_JOBS:
            self.say(f"At most {MOST_JOBS} jobs can be told apart.")
        elif picked:
            self._jobs = picked
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._charts, self._first = None, 0
        self.post_message(self.Wants())
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        charts = self._charts
        if charts is not None:
            self._give_room(len(charts.shown) if self._only is None else 1)
        for i, pane in enumerate(self._panes):
            if charts is None or self._first + i >= len(charts.names) or i >= len(charts.shown):
                missing = self._missing() if i == 0 or (charts is None and self._jobs) else ""
                pane.show_curves((), missing=missing, title=self._kind.capitalize(), scale=self._scale)
                continue
            place = f"  {self._first + i + 1} of {len(charts.names)}" if i == 0 else ""
            self._show_one(pane, charts.shown[i], self._title(charts.names[self._first + i]) + place)

    def _give_room(self, count: int) -> None:
        """Let so many charts have all the room."""
        for i, pane in enumerate(self._panes):
            pane.display = i < max(1, count)
        self.set_class(count <= 1, "-one-chart")
        self.set_class(count == _PAIR, "-two-charts")

    def _show_one(self, pane: ChartPane, shown: Shown, title: str) -> None:
        found = shown.distributions
        if self._kind == "curves":
            pane.show_curves(shown.curves, missing="no points", title=title, scale=self._scale)
        elif found is None:
            pane.show_curves((), missing=self._refused.get(self._kind, "no numbers"), title=title)
        else:
            pane.show_drawing((self._is_ridges, found), partial(self._drawn, found), title=title)

    def _drawn(self, found: Json, width: int, height: int) -> list[Line]:
        if self._kind == "weights":
            return weights_lines(found, width=width, look=self.look)
        return heat_lines(found, width=width, look=self.look, is_ridges=self._is_ridges)[:height]

    def _title(self, name: Name) -> str:
        job = next((f"job {job.shown_id}: " for job in self._jobs if job.id == name.job_id), "")
        return job + label(name.tag, name.run, self.look)

    def _known(self, job: Job) -> Job:
        return next((one for one in self.jobs if one.id == job.id), job)

    def _missing(self) -> str:
        if not self._jobs:
            return "No job is chosen: mark some in the queue (1, space), or press space here."
        if self._charts is None:
            return "asking gpuqd" + self.look.cut
        refused = self._refused.get(self._kind)
        why = " ".join(no_curves(job, self._kind) for job in self._jobs[:3])
        return why if refused is None else f"{why} gpuqd says: {refused}"


_NEXT = dict(zip(KINDS, (*KINDS[1:], KINDS[0]), strict=True))
