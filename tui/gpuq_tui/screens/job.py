"""One job: overview, its live chart, the tail of a rank's log."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from gpuq.models import Curve, Job, JobState, Series, Why
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.chart import chartable, first_shown, label
from gpuq_tui.lines.job import overview_lines
from gpuq_tui.lines.line import Line, Look, Tone, line
from gpuq_tui.lines.log import LogTail
from gpuq_tui.lines.undrawn import no_curves
from gpuq_tui.lines.why import title
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.chart import ChartPane
from gpuq_tui.widgets.log import LogPane
from gpuq_tui.widgets.pane import Pane


class JobScreen(View):
    """Everything of one job, live."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "tag(-1)", "previous tag"),
        Binding("l,right", "tag(1)", "next tag"),
        Binding("left_square_bracket", "rank(-1)", "log of the rank before", key_display="["),
        Binding("right_square_bracket", "rank(1)", "log of the next rank", key_display="]"),
        Binding("enter,z", "zoom", "only this pane, or all"),
        Binding("q", "back", "one step back"),
    ]

    name_of_view = "queue"

    def __init__(self, job: Job, *, look: Look, clock: Clock, rank: int | None = None) -> None:
        super().__init__(look=look, clock=clock)
        self._job = job
        self._why: Why | None = None
        self._series: tuple[Series, ...] | None = None
        self._shown: Series | None = None
        self._curve: Curve | None = None
        self._rank = _first_rank(job) if rank is None else rank
        self._log = LogTail()
        self._log_missing: str | None = None
        self._zoomed: Pane | None = None
        self._overview = Pane(look=look, title="Job", id="overview")
        self._chart = ChartPane(look=look, title="Chart", id="chart")
        self._log_pane = LogPane(look=look, title="Log", id="log")

    @property
    def selected(self) -> Job:
        """Return the job this is about."""
        return self._job

    def wanted(self) -> Wanted:
        """Return all of the job: its curve in the chart's width, its log from where it was read to."""
        return Wanted(
            job_id=self._job.id,
            is_whole_job=True,
            series=self._shown,
            columns=self._chart.columns,
            scale=self._chart.scale,
            log_rank=self._rank,
            log_offset=self._log.next_offset,
        )

    def keys(self) -> str:
        """Return the keys of the pane that has them, and how to reach the others."""
        own: dict[Pane, str] = {
            self._chart: "h l tag  +-0 smooth  i zoom",
            self._log_pane: "[ ] rank  F follow  \\ wrap",
        }
        common = "ctrl+x cancel  ? help  q back"
        if self._zoomed is not None:
            return f"{own.get(self._zoomed, 'jk scroll')}  enter all panes  {common}"
        here = next((words for pane, words in own.items() if pane.has_focus), "h l tag  [ ] rank log")
        return f"tab pane  enter zoom  {here}  {common}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what would change only what a zoomed pane hides."""
        if self._zoomed is None or action not in ("pane", "tag", "rank"):
            return super().check_action(action, parameters)
        return (action == "tag" and self._zoomed is self._chart) or (
            action == "rank" and self._zoomed is self._log_pane
        )

    def body(self) -> ComposeResult:
        """Yield overview and chart, and the log below them."""
        with Container(id="top"):
            yield self._overview
            yield self._chart
        yield self._log_pane

    def on_mount(self) -> None:
        """Show what the queue knew of the job."""
        super().on_mount()
        self.call_after_refresh(self._show_all)

    def on_resize(self) -> None:
        """Wrap everything anew."""
        super().on_resize()
        self.call_after_refresh(self._show_all)

    def show_answer(self, answer: Answer) -> None:
        """Show what came of this job; an answer to another question is left out."""
        wanted = answer.wanted
        if not answer.is_asked or wanted.job_id != self._job.id or not wanted.is_whole_job:
            return
        if answer.job is not None:
            self._take_job(answer.job)
        self.notice = answer.refused.get("job", self.notice)
        self._why = answer.why or self._why
        self._take_series(answer)
        self._take_log(answer)
        self._show_all()

    @on(ChartPane.Rescaled)
    def _rescaled(self) -> None:
        self.post_message(self.Wants())

    def show_time(self) -> None:
        """Let the spans of the overview go on."""
        super().show_time()
        self._show_overview()

    def action_tag(self, by: int) -> None:
        """Draw the tag `by` places on; round at the ends."""
        if not self._series:
            self.say("This job has written no values yet.")
            return
        at = self._series.index(self._shown) if self._shown in self._series else 0
        self._shown = self._series[(at + by) % len(self._series)]
        self._curve = None
        self._show_chart()
        self.post_message(self.Wants())

    def action_rank(self, by: int) -> None:
        """Show the log `by` ranks on; the driver's comes before rank 0."""
        places = self._job.rank_count + 1
        at = 0 if self._rank is None else self._rank + 1
        self._read_log_of((at + by) % places)

    def action_zoom(self) -> None:
        """Give all room to the pane that has the keys, or back to all."""
        self._zoom(self.focused if self._zoomed is None and isinstance(self.focused, Pane) else None)

    def action_back(self) -> None:
        """Go back from one pane to all, else to the queue."""
        if self._zoomed is not None:
            self._zoom(None)
        else:
            super().action_back()

    def _take_job(self, job: Job) -> None:
        is_new_attempt = job.attempt != self._job.attempt
        had_no_ranks = self._job.running_at is None and job.running_at is not None
        self._job = job
        if is_new_attempt or (had_no_ranks and self._rank is None):
            rank = _first_rank(job)
            self._read_log_of(0 if rank is None else rank + 1)

    def _take_series(self, answer: Answer) -> None:
        if answer.series is None:
            return
        self._series = chartable(answer.series)
        key = None if self._shown is None else (self._shown.tag, self._shown.run)
        same = next((s for s in self._series if (s.tag, s.run) == key), None)
        self._shown = same or first_shown(self._series, self._job)
        curve = answer.curve
        if curve is not None and self._shown is not None:
            is_shown = (curve.series.tag, curve.series.run) == (self._shown.tag, self._shown.run)
            self._curve = curve if is_shown else self._curve
        elif self._shown is not None and answer.wanted.series is None:
            self.post_message(self.Wants())  # only now it is known what can be drawn

    def _take_log(self, answer: Answer) -> None:
        wanted = answer.wanted
        if wanted.log_rank != self._rank or wanted.log_offset != self._log.next_offset:
            return  # an answer to a question that was overtaken
        self._log_missing = answer.refused.get("log")
        if answer.log is not None:
            self._log = self._log.with_piece(answer.log)

    def _read_log_of(self, place: int) -> None:
        self._rank = None if place == 0 else place - 1
        self._log, self._log_missing = LogTail(), None
        self._show_log()
        self.post_message(self.Wants())

    def _zoom(self, pane: Pane | None) -> None:
        self._zoomed = pane
        self.show_edges()
        self.set_class(pane is not None, "-zoomed")
        for one in (self._overview, self._chart, self._log_pane):
            one.set_class(one is pane, "-only")
        self.set_class(pane is self._log_pane, "-log-only")
        self.call_after_refresh(self._show_all)

    def _show_all(self) -> None:
        self._show_overview()
        self._show_chart()
        self._show_log()

    def _show_overview(self) -> None:
        pane = self._overview
        text = None if self._why is None else self._why.text
        now = self.data_time
        lines = overview_lines(self._job, text, now=now, width=pane.size.width, look=self.look)
        pane.show(lines, title=title(self._job, now))

    def _show_chart(self) -> None:
        words = "Chart" if self._shown is None else label(self._shown, self.look)
        if self._series and len(self._series) > 1 and self._shown in self._series:
            words += f"  (h l: tag {self._series.index(self._shown) + 1} of {len(self._series)})"
        asked = "asking gpuqd" + self.look.cut
        missing = no_curves(self._job, "curves") if self._series == () else asked
        curves = () if self._curve is None else (self._curve,)
        self._chart.show_curves(curves, missing=missing, title=words)

    def _show_log(self) -> None:
        lines: list[Line] = self._log.view()
        if not lines:
            unknown = "asking gpuqd" + self.look.cut
            missing = unknown if self._log.next_offset is None else "nothing written yet"
            lines = [line(self._log_missing or missing, Tone.DIM)]
        which = "driver" if self._rank is None else f"rank {self._rank}"
        is_ended = self._log.is_final or self._job.state.is_final
        self._log_pane.show_log(lines, title=f"Log {which} of {self._job.rank_count}  [ ] other", is_ended=is_ended)


def _first_rank(job: Job) -> int | None:
    """Return the rank whose log tells most: the failed one, else the chief; before that None, the driver."""
    if job.state is JobState.FAILED:
        return job.failed_rank
    return 0 if job.running_at is not None else None
