"""All jobs, and why the selected one is where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.widgets import Static

from gpuq.models import Job, JobState, Why
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.filters import matcher
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.order import OWNERS, ordered, owned
from gpuq_tui.lines.queue import free_gpus, nothing_lines
from gpuq_tui.lines.why import title, why_lines
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.settings import Settings
from gpuq_tui.widgets.filter_line import FilterLine
from gpuq_tui.widgets.job_table import JobTable
from gpuq_tui.widgets.pane import Pane

FINAL = frozenset(state for state in JobState if state.is_final)


class QueueScreen(View):
    """The root view."""

    name_of_view = "queue"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open the job"),
        Binding("l", "open", "open the job, its log below"),
        Binding("slash", "filter", "filter as you type", key_display="/"),
        Binding("a", "everything", "show ended jobs too, or not"),
        Binding("o", "owner", "everybody's jobs, mine, those of my accounts"),
        Binding("c", "columns", "more columns, or fewer"),
        Binding("s", "sort", "sort by something else"),
        Binding("S", "flip", "sort the other way round"),
        Binding("q", "app.quit", "quit"),
    ]

    @dataclass
    class Rearranged(Message):
        """The list is to be kept in this order from now on."""

        settings: Settings

    class ColumnsAsked(Message):
        """The user wants to choose what is told of each job."""

    class SortAsked(Message):
        """The user wants to choose what the list is sorted by."""

    def __init__(self, *, look: Look, clock: Clock, user: str = "") -> None:
        super().__init__(look=look, clock=clock)
        self.settings = Settings()
        self._user = user
        self._everything = False
        self._is_begun = False
        self._filter = ""
        self._kept: Job | None = None
        self._why: Why | None = None
        self._table = JobTable(look=look, title="Jobs", id="jobs")
        self._why_pane = Pane(look=look, title="Why", id="why")
        self._filter_line = FilterLine(id="filter")

    @property
    def selected(self) -> Job | None:
        """Return the job under the cursor."""
        return self._table.selected

    @property
    def chosen(self) -> Sequence[Job]:
        """Return the marked jobs, else the one under the cursor."""
        return self._table.chosen

    def choose(self, job: Job | None) -> None:
        """Put the cursor on a job, if it is shown."""
        if job is not None:
            self._table.go_to(job.id)

    @property
    def mark_count(self) -> int:
        """Return how many jobs are marked, shown or not."""
        return len(self._table.marked)

    def keep_marks(self, known: Callable[[int], Job | None]) -> None:
        """Take the marks away of jobs that nobody knows any more."""
        self._table.keep_marks(known)

    def wanted(self) -> Wanted:
        """Return the jobs, and why the selected one is where it is."""
        selected = self.selected
        return Wanted(everything=self._everything, job_id=None if selected is None else selected.id)

    def keys(self) -> str:
        """Return the keys of the list, or of the filter while it is typed."""
        if self._filter_line.display:
            return "enter keep the filter  esc clear it"
        ended = "only active" if self._everything else "ended too"
        return f"jk move  enter open  / filter  a {ended}  spc mark  x act  : cmd  ? help"

    def body(self) -> ComposeResult:
        """Yield the table and the pane below or beside it."""
        with Container(id="main"):
            yield self._table
            yield self._why_pane
        with Horizontal(id="prompt"):
            yield Static("/", id="slash")
            yield self._filter_line

    def show_answer(self, answer: Answer) -> None:
        """Show the jobs and why the selected one waits."""
        self._why = answer.why or self._why
        self._begin(answer)
        if answer.jobs is not None or answer.wanted.job_id is None:
            self._show_jobs(answer)
        self._show_why()

    def show_time(self) -> None:
        """Let the spans of the rows and of the pane go on."""
        super().show_time()
        self._table.show_time(self.data_time)
        self._show_why()

    def action_everything(self) -> None:
        """Show ended jobs too, or no longer."""
        self._is_begun = True
        self._everything = not self._everything
        self._show_jobs()
        self.post_message(self.Wants())

    def action_owner(self) -> None:
        """List the jobs of others, too, or not."""
        at = OWNERS.index(self.settings.owner)
        self.rearrange(replace(self.settings, owner=OWNERS[(at + 1) % len(OWNERS)]))

    def action_sort(self) -> None:
        """Let the user choose an order."""
        self.post_message(self.SortAsked())

    def action_columns(self) -> None:
        """Let the user choose columns."""
        self.post_message(self.ColumnsAsked())

    def action_flip(self) -> None:
        """Turn the order round."""
        self.rearrange(replace(self.settings, is_reversed=not self.settings.is_reversed))

    def rearrange(self, settings: Settings) -> None:
        """List the jobs in another way."""
        self.settings = settings
        self._show_jobs()
        self.post_message(self.Rearranged(settings))

    def action_open(self) -> None:
        """Show all of the job under the cursor."""
        if self.selected is not None:
            self.post_message(self.OpenAsked(self.selected))

    def action_filter(self) -> None:
        """Let the user type a filter."""
        self.add_class("-typing")
        self._filter_line.open(self._filter)

    def action_back(self) -> None:
        """Take the filter away; this is the root, there is no further back."""
        self._filter_line.close()
        self.set_filter("")

    @on(FilterLine.Typed)
    def _filter_typed(self, message: FilterLine.Typed) -> None:
        self.set_filter(message.text)

    @on(FilterLine.Left)
    def _filter_left(self) -> None:
        self.remove_class("-typing")
        self._table.focus()

    @on(JobTable.Moved)
    def _selection_moved(self) -> None:
        if self._kept is not None:
            self._show_jobs()
        self._show_why()
        self.post_message(self.Wants())

    def on_resize(self) -> None:
        """Wrap the pane's text anew."""
        super().on_resize()
        self.call_after_refresh(self._show_why)

    def set_filter(self, text: str) -> None:
        """Show only what passes."""
        self._filter = text
        self._show_jobs()

    def _begin(self, answer: Answer) -> None:
        """Begin with ended jobs if there are no others: an empty list would hide what has just been run."""
        if self._is_begun or answer.jobs is None:
            return
        if answer.jobs or answer.wanted.everything:
            self._is_begun = True
            self._everything = answer.wanted.everything and bool(answer.jobs)
        else:
            self._everything = True
            self.post_message(self.Wants())

    def _show_jobs(self, answer: Answer | None = None) -> None:
        """Show what passes; after an `answer` (not a key) the selected job too, until the cursor moves."""
        passing = owned(self.jobs, self.settings.owner, self._user)
        if not self._everything:
            passing = [job for job in passing if job.state not in FINAL]
        if self._filter:
            passing = list(filter(matcher(self._filter), passing))
        by = self.settings
        shown = list(ordered(passing, by.order, is_reversed=by.is_reversed, now=self.data_time))
        name = self._title(len(shown))
        self._kept = None if answer is None else self._left(shown, answer)
        if self._kept is not None:
            shown.insert(self._table.cursor, self._kept)
        is_known = self.contact.answered_at is not None and self._is_begun
        self._table.extras = self.settings.columns
        self._table.show_jobs(
            shown,
            now=self.data_time,
            title=name,
            free=None if self.cluster is None else free_gpus(self.cluster),
            nothing=nothing_lines(everything=self._everything, filtered=self._filter) if is_known else (),
        )

    def _left(self, shown: Sequence[Job], answer: Answer) -> Job | None:
        """Return the selected job as it is now if it leaves the list: the next key may still be meant for it."""
        selected = self.selected
        if selected is None or any(job.id == selected.id for job in shown):
            return None
        known = (*self.jobs, *(() if answer.job is None else (answer.job,)))
        return next((job for job in known if job.id == selected.id), None)

    def _title(self, shown: int) -> str:
        parts = [f"Jobs {shown} of {len(self.jobs)}", "all" if self._everything else "not ended"]
        by = self.settings
        parts += [] if by.owner == "all" else [f"owner {by.owner}"]
        parts += [f"by {by.order}{' down' if by.is_reversed else ''}"] if by.order != "job" or by.is_reversed else []
        return " | ".join([*parts, f"/{self._filter}"] if self._filter else parts)

    def _show_why(self) -> None:
        pane, job = self._why_pane, self.selected
        if job is None:
            pane.show((), title="no job")
            return
        lines = why_lines(job, self._why, now=self.data_time, width=pane.size.width, look=self.look)
        pane.show(lines, title=title(job, self.data_time))
