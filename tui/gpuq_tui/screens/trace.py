"""A job from the outside in, down to its GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from gpuq.models import Job
from gpuq.tracing import Trace
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.actions import Action, actions
from gpuq_tui.lines.job import overview_lines
from gpuq_tui.lines.line import Tone, line
from gpuq_tui.lines.tree import Leaf, tree, with_pods
from gpuq_tui.lines.why import title
from gpuq_tui.screens.rows_view import RowsView


class TraceScreen(RowsView):
    """View 5: job, attempt, application, pods, ranks, GPUs, earlier attempts; enter opens a rank's log."""

    name_of_view = "trace"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "step(-1)", "the job before", key_display="["),
        Binding("right_square_bracket", "step(1)", "the next job", key_display="]"),
    ]
    _job: Job | None = None
    _leaves: Sequence[Leaf] = ()
    _traces: Sequence[Trace] = ()
    _asked: object = None
    _beginnings = 0

    @property
    def selected(self) -> Job | None:
        """Return the job of the tree."""
        return self._job

    @property
    def selected_gpu(self) -> tuple[str, str] | None:
        """Return the GPU under the cursor, or the first one of the rank there."""
        leaf = self._leaf()
        if leaf is None or leaf.rank is None:
            return None
        return leaf.gpu or next((one.gpu for one in self._leaves if one.gpu and one.rank == leaf.rank), None)

    def choose(self, job: Job | None) -> None:
        """Show the tree of another job."""
        self._choose(job or self._job or next((one for one in self.jobs if one.state.holds_gpus), None))
        self.show_all()

    def wanted(self) -> Wanted:
        """Return the job."""
        if self._job is None:
            return Wanted()
        is_known = self._asked == self._as_now
        return Wanted(job_id=self._job.id, trace=None if is_known else str(self._job.id), is_job_told=True)

    @property
    def _as_now(self) -> object:
        """Return what a trace is good for: the stream tells of all else that changes in it."""
        job = self._job
        return None if job is None else (job.id, job.attempt, job.state.is_final, self._beginnings)

    def keys(self) -> str:
        """Return the commonest keys."""
        return "jk move  enter rank's log  4 its GPU  [ ] other job  x act  ? help  q queue"

    def actions(self) -> Sequence[Action]:
        """Return what can be done with the job."""
        return () if self._job is None else actions([self._job])

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return what stands in the line under the cursor."""
        leaf = self._leaf()
        return () if leaf is None else ((leaf.key, leaf.copy), *super().offers())

    def action_step(self, by: int) -> None:
        """Show the tree of the job `by` places on in the queue."""
        ids = [job.id for job in self.jobs]
        if not ids or self._job is None:
            return
        at = ids.index(self._job.id) + by if self._job.id in ids else 0
        self._choose(self.jobs[max(0, min(at, len(ids) - 1))])
        self.show_all()
        self.post_message(self.Wants())

    def action_open(self) -> None:
        """Open the job, with the log of the rank under the cursor."""
        leaf = self._leaf()
        if self._job is not None:
            self.post_message(self.OpenAsked(self._job, None if leaf is None else leaf.rank))

    def show_answer(self, answer: Answer) -> None:
        """Take over the job as it is now."""
        if self._job is None:
            self._job = next((one for one in self.jobs if one.state.holds_gpus), None)
        known = (*(answer.jobs or ()), *(() if answer.job is None else (answer.job,)))
        if self._job is not None:
            self._job = next((job for job in known if job.id == self._job.id), self._job)
            self._beginnings = self._beginnings if answer.beginnings is None else answer.beginnings
            if answer.trace is not None and answer.wanted.trace == str(self._job.id):
                self._traces, self._asked = answer.trace.traces, self._as_now
            self._traces = with_pods(self._traces, answer.pods)
        super().show_answer(answer)

    def show_rows(self) -> None:
        """Show the tree."""
        self._leaves = () if self._job is None else tree(self._job, self._traces)
        nothing = (line("  No job runs; choose one in the queue (1) and come back.", Tone.DIM),)
        name = "Trace" if self._job is None else f"Trace | {title(self._job, self.data_time)}"
        self.table.show_rows(
            [leaf.key for leaf in self._leaves], [leaf.line for leaf in self._leaves], title=name, nothing=nothing
        )

    def show_detail(self) -> None:
        """Show all about the job."""
        if self._job is None:
            self.detail.show((), title="")
            return
        width = self.detail.size.width
        self.detail.show(overview_lines(self._job, None, now=self.data_time, width=width, look=self.look), title="Job")

    def _choose(self, job: Job | None) -> None:
        if job is None or self._job is None or job.id != self._job.id:
            self._traces, self._asked = (), None  # those of another one
        self._job = job

    def _leaf(self) -> Leaf | None:
        at = self.table.cursor
        return self._leaves[at] if at < len(self._leaves) else None
