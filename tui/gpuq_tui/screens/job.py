"""One job: overview with its live chart and log, its time, logs, events and checkpoints, a tab each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from gpuq.cli.views.checkpoint import checkpoint_lines
from gpuq.models import Job, JobState, Message, Rank, Why
from gpuq.summaries import Checkpoint, Curve, Series
from gpuq.tracing import Trace
from gpuq.units import plural, size
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.chart import chartable, first_shown, label
from gpuq_tui.lines.job import overview_lines
from gpuq_tui.lines.line import Line, Look, Tone, fit, line, wrap
from gpuq_tui.lines.log import MOST_LINES
from gpuq_tui.lines.logs import MOST_MERGED, Logs
from gpuq_tui.lines.seeking import Seen, Sought
from gpuq_tui.lines.story import event_lines, timeline_lines
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
        Binding("left_parenthesis", "attempt(-1)", "logs of the attempt before", key_display="("),
        Binding("right_parenthesis", "attempt(1)", "logs of the next attempt", key_display=")"),
        Binding("u", "stream", "what went to stdout, to stderr, or both"),
        Binding("A", "all_ranks", "the logs of all ranks in one, with tags, or of one rank"),
        Binding("enter,z", "zoom", "only this pane, or all"),
        Binding("O", "tab('overview')", "tab: overview, chart and log"),
        Binding("T", "tab('timeline')", "tab: attempts, checkpoints and signals along time"),
        Binding("L", "tab('log')", "tab: log"),
        Binding("e,E", "tab('events')", "tab: what happened to it"),
        Binding("C", "tab('checkpoints')", "tab: checkpoints"),
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
        self._tab = "overview"
        self._traces: Sequence[Trace] = ()
        self._checkpoints: tuple[Checkpoint, ...] | None = None
        self._messages: tuple[Message, ...] = ()
        self._rank = _first_rank(job) if rank is None else rank
        self._is_merged = False
        self._stream: str | None = None
        self._attempt: int | None = None
        self._log = Logs.of((self._rank,), None)
        self._viewed: Logs | None = None
        self._log_lines: list[Line] = []
        self._log_missing: str | None = None
        self._sought: Sought | None = None
        self._is_found = False
        self._zoomed: Pane | None = None
        self._overview = Pane(look=look, title="Job", id="overview")
        self._chart = ChartPane(look=look, title="Chart", id="chart")
        self._log_pane = LogPane(look=look, title="Log", id="log")
        self._page = Pane(look=look, title="", id="page")

    @property
    def selected(self) -> Job:
        """Return the job this is about."""
        return self._job

    @property
    def selected_gpu(self) -> tuple[str, str] | None:
        """Return the first GPU of the rank whose log is shown."""
        return next(((rank.node or rank.host, rank.gpus[0]) for rank in self._job.ranks if self._is_shown(rank)), None)

    def _is_shown(self, rank: Rank) -> bool:
        return rank.rank == self._rank and bool(rank.gpus)

    def wanted(self) -> Wanted:
        """Return all of the job: its curve in the chart's width, its log from where it was read to."""
        return Wanted(
            job_id=self._job.id,
            is_whole_job=True,
            series=self._shown,
            columns=self._chart.columns,
            scale=self._chart.scale,
            logs=self._log.wanted if self._is_log_read else None,
            sought=self._sought,
            trace=str(self._job.id) if self._tab in _STORIES or self._traces else None,
            checkpoints=self._tab in (*_STORIES, "checkpoints"),
            messages=self._tab in _STORIES,
        )

    @property
    def _is_log_read(self) -> bool:
        is_shown = self._tab in ("overview", "log")
        return is_shown and (self._sought is not None or not self._log.is_at_rest)

    def keys(self) -> str:
        """Return the keys of the pane that has them, and how to reach the others."""
        own: dict[Pane, str] = {
            self._chart: "h l tag  +-0 smooth  i zoom",
            self._log_pane: "[ ] rank  A all  F follow",
        }
        common = "ctrl+x cancel  ? help  q back"
        if self._tab == "log":
            more = "( ) attempt  / find" if self._job.attempt > 1 else "/ find  \\ wrap"
            return f"[ ] rank  A all  u out/err  F follow  {more}  ? help  q back"
        if self._tab != "overview":
            return "jk scroll  O overview  ? help  q back"
        if self._zoomed is not None:
            return f"{own.get(self._zoomed, 'jk scroll')}  enter all panes  {common}"
        here = next((words for pane, words in own.items() if pane.has_focus), "h l tag  [ ] rank log")
        return f"tab pane  enter zoom  {here}  {common}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what would change only what a zoomed pane hides."""
        if self._tab == "log" and action in _OF_LOG:
            return True
        if self._tab != "overview" and action in ("pane", "tag", "zoom", *_OF_LOG):
            return False
        if self._zoomed is None or action not in ("pane", "tag", *_OF_LOG):
            return super().check_action(action, parameters)
        return (action == "tag" and self._zoomed is self._chart) or (
            action in _OF_LOG and self._zoomed is self._log_pane
        )

    def body(self) -> ComposeResult:
        """Yield overview and chart, and the log below them."""
        with Container(id="top"):
            yield self._overview
            yield self._chart
        yield self._log_pane
        yield self._page

    def tab_line(self, width: int) -> Line:
        """Return the names of the tabs with their keys, the one that is shown in brackets."""
        spans = [
            (f"[{key} {name.capitalize()}]", Tone.STRONG)
            if name == self._tab
            else (f" {key} {name.capitalize()} ", Tone.DIM)
            for key, name in _TABS.items()
        ]
        taken = sum(len(text) for text, _ in spans)
        return (*spans, (fit("w why  t trace  esc back", max(0, width - taken), self.look, right=True), Tone.DIM))

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
        if answer.trace is not None:
            self._traces = answer.trace.traces
        if answer.checkpoints is not None:
            self._checkpoints = answer.checkpoints
        self._messages = self._messages if answer.messages is None else answer.messages
        self._take_series(answer)
        self._take_log(answer)
        self._take_seen(answer.seen)
        self._show_all()

    @on(ChartPane.Rescaled)
    def _rescaled(self) -> None:
        self.post_message(self.Wants())

    def show_time(self) -> None:
        """Let the spans of the overview go on."""
        super().show_time()
        self._show_overview()
        self._show_page()

    @on(LogPane.TopReached)
    def _top_reached(self) -> None:
        if self._log.has_more_above:
            self._log = replace(self._log, is_earlier_wanted=True)
            self.post_message(self.Wants())
        elif self._log.is_begun and self._log.tails[0].begin is None:
            self.say(f"No more than {MOST_LINES} lines are kept here; `gpuq logs {self._job.shown_id}` prints all.")

    @on(LogPane.BottomReached)
    def _bottom_reached(self) -> None:
        self._log = replace(self._log, is_later_wanted=True)
        self.post_message(self.Wants())

    @on(LogPane.EndAsked)
    def _end_asked(self) -> None:
        self._read_logs()
        self._log_pane.action_follow()

    @on(LogPane.MatchSought)
    def _match_sought(self, message: LogPane.MatchSought) -> None:
        unseen_to = self._log.unseen_to
        if unseen_to is not None:
            self._sought = Sought(text=message.text, before=unseen_to)
            self.say(f"looking for '{message.text}' further up{self.look.cut} esc ends it")
            self.post_message(self.Wants())

    def _take_seen(self, seen: Seen | None) -> None:
        """Go on with a search, or to what it has found."""
        if seen is None or seen.sought != self._sought:
            return
        self._sought = None
        if seen.at is not None:
            self._log, self._is_found = self._log.around(seen.at), True
            self._show_log()
            self.post_message(self.Wants())
            self.say(f"'{seen.sought.text}' stands at {size(seen.at)}; N looks further up, G goes to the end.")
        elif seen.down_to > 0:
            self._sought = replace(seen.sought, before=seen.down_to)
            self.say(f"looking for '{seen.sought.text}': {size(seen.down_to)} are left{self.look.cut} esc ends it")
            self.post_message(self.Wants())
        else:
            self.say(f"'{seen.sought.text}' does not stand further up in this log.")

    def action_tab(self, name: str) -> None:
        """Show another side of the job."""
        if self._zoomed is not None:
            self._zoom(None)
        self._tab = name
        self.set_class(name in (*_STORIES, "checkpoints"), "-page")
        self.set_class(name == "log", "-log-tab")
        self.set_focus({"overview": self._overview, "log": self._log_pane}.get(name, self._page))
        self.post_message(self.Wants())
        self.show_edges()
        self.call_after_refresh(self._show_all)

    def action_events(self) -> None:
        """Show what happened to the job."""
        self.action_tab("events")

    def action_attempt(self, by: int) -> None:
        """Show the logs of another attempt."""
        newest = max(1, self._job.attempt)
        at = (newest if self._attempt is None else self._attempt) + by
        if not 1 <= at <= newest:
            self.say(
                f"Job {self._job.shown_id} has had {plural(newest, 'attempt')}; "
                f"this is the {'first' if by < 0 else 'newest'}."
            )
            return
        self._attempt = None if at == newest else at
        self._read_logs()

    def action_all_ranks(self) -> None:
        """Merge the logs of all ranks, or show one again."""
        self._is_merged = not self._is_merged
        if self._is_merged and self._job.rank_count > MOST_MERGED:
            self.say(f"Of {self._job.rank_count} ranks the first {MOST_MERGED} are merged.")
        self._read_logs()

    def action_stream(self) -> None:
        """Show both streams of a rank, its standard output alone, its standard error alone."""
        if self._rank is None and not self._is_merged:
            self.say("The driver's log is one; a rank's ([ ]) tells stdout and stderr apart.")
            return
        self._stream = _NEXT_STREAM[self._stream]
        self._read_logs()

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
        self._is_merged = False
        self._read_log_of((at + by) % places)

    def action_zoom(self) -> None:
        """Give all room to the pane that has the keys, or back to all."""
        self._zoom(self.focused if self._zoomed is None and isinstance(self.focused, Pane) else None)

    def action_back(self) -> None:
        """Go back from one pane to all, from a tab to the overview, else to the queue."""
        if self._sought is not None:
            self._sought = None
            self.say("The search was ended.")
        elif self._zoomed is not None:
            self._zoom(None)
        elif self._tab != "overview":
            self.action_tab("overview")
        else:
            super().action_back()

    def _take_job(self, job: Job) -> None:
        is_new_attempt = job.attempt != self._job.attempt
        had_no_ranks = self._job.running_at is None and job.running_at is not None
        self._job = job
        if is_new_attempt or (had_no_ranks and self._rank is None):
            rank = _first_rank(job)
            self._attempt = None
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
        wanted = answer.wanted.logs
        if (
            wanted is None
            or answer.logs is None
            or replace(wanted, before=None) != replace(self._log.wanted, before=None)
        ):
            return  # an answer to a question that was overtaken
        self._log_missing = answer.refused.get("log")
        self._log = self._log.with_pieces(answer.logs, answer.earlier)

    def _read_log_of(self, place: int) -> None:
        self._rank = None if place == 0 else place - 1
        self._read_logs()

    def _read_logs(self) -> None:
        self._sought, self._is_found = None, False
        ranks = tuple(range(min(self._job.rank_count, MOST_MERGED))) if self._is_merged else (self._rank,)
        stream = self._stream if ranks != (None,) else None
        self._log, self._log_missing = Logs.of(ranks, self._attempt, stream), None
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
        self._show_page()

    def _show_page(self) -> None:
        pane, width = self._page, self._page.size.width
        story = (self._job, self._traces, self._checkpoints or ())
        match self._tab:
            case "timeline":
                lines = timeline_lines(*story, now=self.data_time, width=width, look=self.look)
                lines += event_lines(*story, self._messages, width=width, look=self.look)
            case "events":
                lines = event_lines(*story, self._messages, width=width, look=self.look)
            case "checkpoints":
                lines = self._checkpoint_lines()
            case _:
                return
        pane.show(lines, title=title(self._job, self.data_time))

    def _checkpoint_lines(self) -> list[Line]:
        if self._checkpoints is None:
            return [line("asking gpuqd" + self.look.cut, Tone.DIM)]
        if not self._checkpoints:
            return [line(part, Tone.DIM) for part in wrap(no_curves(self._job, "weights"), self._page.size.width)]
        rows = checkpoint_lines([asdict(one) for one in reversed(self._checkpoints)])
        return [*map(line, rows), line(""), line("v d d: the numbers in the newest; : checkpoint, : weights", Tone.DIM)]

    def _show_overview(self) -> None:
        pane = self._overview
        text = None if self._why is None else self._why.text
        now = self.data_time
        lines = overview_lines(self._job, text, now=now, width=pane.size.width, look=self.look)
        pane.show(lines, title=title(self._job, now))

    def _show_chart(self) -> None:
        words = "Chart" if self._shown is None else label(self._shown.tag, self._shown.run, self.look)
        if self._series and len(self._series) > 1 and self._shown in self._series:
            words += f"  (h l: tag {self._series.index(self._shown) + 1} of {len(self._series)})"
        asked = "asking gpuqd" + self.look.cut
        missing = no_curves(self._job, "curves") if self._series == () else asked
        curves = () if self._curve is None else (self._curve,)
        self._chart.show_curves(curves, missing=missing, title=words)

    def _show_log(self) -> None:
        above = 0
        if self._viewed is not self._log or not self._log_lines:
            above = 0 if self._viewed is None else self._log.above(self._viewed)
            self._viewed, self._log_lines = self._log, self._log.view()
        lines = self._log_lines
        if not lines:
            unknown = "asking gpuqd" + self.look.cut
            written = f" to {self._log.stream}" if self._log.stream is not None else ""
            missing = unknown if not self._log.is_begun else f"nothing written{written} yet"
            lines = [line(self._log_missing or missing, Tone.DIM)]
        which = "all ranks" if self._is_merged else "driver" if self._rank is None else f"rank {self._rank}"
        which += f" of {self._job.rank_count}"
        if self._job.attempt > 1:
            which += f", attempt {self._attempt or self._job.attempt} of {self._job.attempt}"
        if self._log.stream is not None:
            which += ", both (not told apart)" if self._log.is_mixed else f", {self._log.stream} alone"
        is_ended = self._log.is_final or self._job.state.is_final
        self._log_pane.show_log(
            lines,
            title=f"Log {which}  [ ] other",
            is_ended=is_ended,
            above=above,
            is_part=self._log.is_part,
            may_be_more=self._log.unseen_to is not None,
        )
        if self._is_found and self._log.is_begun:
            self._is_found = False
            self._log_pane.show_match()


_TABS = {"O": "overview", "T": "timeline", "L": "log", "E": "events", "C": "checkpoints"}
_STORIES = ("timeline", "events")
_OF_LOG = ("rank", "attempt", "all_ranks", "stream")
_NEXT_STREAM = {None: "stdout", "stdout": "stderr", "stderr": None}


def _first_rank(job: Job) -> int | None:
    """Return the rank whose log tells most: the failed one, else the chief; before that None, the driver."""
    if job.state is JobState.FAILED:
        return job.failed_rank
    return 0 if job.running_at is not None else None
