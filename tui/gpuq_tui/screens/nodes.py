"""The nodes, every GPU a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from gpuq.gpus import Gpu
from gpuq.models import Job, Node
from gpuq.sharing import Drain
from gpuq_tui.feed import Answer
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.gpu import gpu_lines, offers_of
from gpuq_tui.lines.line import Tone, line
from gpuq_tui.lines.nodes import LEGEND, detail_lines, heading, node_actions, row
from gpuq_tui.screens.rows_view import RowsView
from gpuq_tui.widgets.rows import Rows


class NodesScreen(RowsView):
    """View 4: walk from a GPU to its job. The keys are at a node as a whole, or at one cell of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "cell(-1)", "the GPU before, and from the first the node as a whole"),
        Binding("l,right", "cell(1)", "the next GPU"),
    ]
    name_of_view = "nodes"
    _cell: int | None = None
    lists = ("drains", "reservations")
    _of_nodes: Mapping[str, Sequence[Gpu]] = MappingProxyType({})

    @property
    def selected(self) -> Job | None:
        """Return the job that holds the GPU, or the first on the node as a whole."""
        return next(iter(self._jobs()), None) if self._cell is None else self._holder()

    def choose(self, job: Job | None) -> None:
        """Put the cursor on the first GPU of a job, as far as it is known which that is."""
        if job is None or not job.nodes:
            return
        self.table.go_to(job.nodes[0])
        held = (i for i, gpu in enumerate(self._of_nodes.get(job.nodes[0], ())) if gpu.job_id == job.id)
        self._cell = next(held, None)
        self.show_all()

    def choose_gpu(self, node: str, name: str) -> None:
        """Put the cursor on a GPU by what it is called on its host."""
        gpus = self._of_nodes.get(node, ())
        found = next((i for i, gpu in enumerate(gpus) if name in (gpu.name, gpu.uuid, str(gpu.place))), None)
        if found is not None:
            self.table.go_to(node)
            self._cell = found
            self.show_all()

    def keys(self) -> str:
        """Return the commonest keys."""
        its = "enter its job  t its pods" if self._cell is not None else "enter its jobs"
        return f"jk node  hl GPU  {its}  x act  y copy  ? help  q queue"

    def actions(self) -> Sequence[Action]:
        """Return what operators can do with the node."""
        node = self._node()
        return () if node is None else node_actions(node, self._drain(node))

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return the names of GPU and node, and its jobs."""
        node, gpu = self._node(), self._gpu()
        if node is None:
            return ()
        return (
            *(() if gpu is None else offers_of(gpu)),
            ("node", node.name),
            ("host", node.host),
            *(("job", str(job_id)) for job_id in node.job_ids),
        )

    def action_open(self) -> None:
        """Open the job of the GPU, or of the node; the queue with its jobs where it has several."""
        if self._cell is not None:
            self._open_holder()
            return
        jobs = self._jobs()
        node = self._node()
        if len(jobs) == 1:
            self.post_message(self.OpenAsked(jobs[0]))
        elif node is not None and jobs:
            self.post_message(self.GoAsked("queue", f"node={node.name}"))
        else:
            self.say("No job is on this node.")

    def action_cell(self, by: int) -> None:
        """Go from GPU to GPU of the node; before the first is the node as a whole."""
        node = self._node()
        at = (-1 if self._cell is None else self._cell) + by
        self._cell = None if node is None or at < 0 else min(at, node.gpus - 1)
        self.show_all()
        self.show_edges()

    def show_answer(self, answer: Answer) -> None:
        """Take over the GPUs as they are told, and the lists."""
        if answer.gpus is not None:
            found = dict[str, list[Gpu]]()
            for gpu in answer.gpus:
                found.setdefault(gpu.node, []).append(gpu)
            self._of_nodes = found
        super().show_answer(answer)

    @on(Rows.Moved)
    def _to_another_node(self) -> None:
        node = self._node()
        if self._cell is not None and node is not None:
            self._cell = min(self._cell, node.gpus - 1) if node.gpus else None
        self.show_rows()

    def show_rows(self) -> None:
        """Show the nodes in their order."""
        nodes = self._all()
        width = self.table.size.width - 2
        here = self._node()
        lines = [
            row(
                node,
                self._drain(node),
                self._gpus(node),
                width=width,
                look=self.look,
                chosen=self._cell if node is here else None,
            )
            for node in nodes
        ]
        title = f"Nodes {len(nodes)} | {LEGEND}"
        self.table.show_rows(
            [node.name for node in nodes], lines, title=title, heading=heading(width, self.look), nothing=self.missing()
        )

    def show_detail(self) -> None:
        """Show what runs on the node, and what is decided about it."""
        node = self._node()
        if node is None:
            self.detail.show((), title="")
            return
        held, width = self.known.reservations or (), self.detail.size.width
        lines = detail_lines(node, self._jobs(), self._drain(node), held, self._gpus(node), width=width)
        gpu = self._gpu()
        if self._cell is None:
            self.detail.show(lines, title=node.name)
            return
        unknown = [line("gpuqd has not told yet how its GPUs are", Tone.DIM)]
        of_gpu = unknown if gpu is None else gpu_lines(gpu, self._holder(), width=width)
        self.detail.show([*of_gpu, line(""), *lines], title=f"{node.name}, cell {self._cell + 1} of {node.gpus}")

    def _all(self) -> tuple[Node, ...]:
        return () if self.cluster is None else self.cluster.nodes

    def _node(self) -> Node | None:
        nodes = self._all()
        return nodes[self.table.cursor] if self.table.cursor < len(nodes) else None

    def _drain(self, node: Node) -> Drain | None:
        return next((drain for drain in self.known.drains or () if drain.node == node.name), None)

    def _gpus(self, node: Node) -> Sequence[Gpu]:
        return self._of_nodes.get(node.name, ())

    def _gpu(self) -> Gpu | None:
        """Return the GPU at the cell, None at a node as a whole or where it is not told."""
        node = self._node()
        gpus = () if node is None or self._cell is None else self._gpus(node)
        return gpus[self._cell] if self._cell is not None and self._cell < len(gpus) else None

    def _holder(self) -> Job | None:
        gpu = self._gpu()
        held = None if gpu is None else gpu.job_id
        return next((job for job in self.jobs if job.id == held), None)

    def _open_holder(self) -> None:
        gpu, job = self._gpu(), self._holder()
        if job is not None:
            self.post_message(self.OpenAsked(job, None if gpu is None else gpu.rank))
        elif gpu is not None and gpu.job_id is not None:
            self.say(f"Job {gpu.job_id} holds this GPU, and is not yours to see.")
        else:
            self.say("No job holds this GPU.")

    def _jobs(self) -> list[Job]:
        node = self._node()
        return [] if node is None else [job for job in self.jobs if job.id in node.job_ids]
