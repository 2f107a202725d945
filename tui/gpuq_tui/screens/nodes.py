"""The nodes, every GPU a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gpuq.gpus import Gpu
from gpuq.models import Job, Node
from gpuq.sharing import Drain
from gpuq_tui.feed import Answer
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.nodes import LEGEND, detail_lines, heading, node_actions, row
from gpuq_tui.screens.rows_view import RowsView


class NodesScreen(RowsView):
    """View 4: walk from a GPU to its job."""

    name_of_view = "nodes"
    lists = ("drains", "reservations")
    _of_nodes: Mapping[str, Sequence[Gpu]] = MappingProxyType({})

    @property
    def selected(self) -> Job | None:
        """Return the first job on the node under the cursor."""
        return next(iter(self._jobs()), None)

    def choose(self, job: Job | None) -> None:
        """Put the cursor on the first node of a job."""
        if job is not None and job.nodes:
            self.table.go_to(job.nodes[0])

    def keys(self) -> str:
        """Return the commonest keys."""
        return "jk move  enter its job  x drain, resume, reserve  y copy  ? help  q queue"

    def actions(self) -> Sequence[Action]:
        """Return what operators can do with the node."""
        node = self._node()
        return () if node is None else node_actions(node, self._drain(node))

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return the node's names and its jobs."""
        node = self._node()
        if node is None:
            return ()
        return (("node", node.name), ("host", node.host), *(("job", str(job_id)) for job_id in node.job_ids))

    def action_open(self) -> None:
        """Open the job of the node; the queue with its jobs where it has several."""
        jobs = self._jobs()
        node = self._node()
        if len(jobs) == 1:
            self.post_message(self.OpenAsked(jobs[0]))
        elif node is not None and jobs:
            self.post_message(self.GoAsked("queue", f"node={node.name}"))
        else:
            self.say("No job is on this node.")

    def show_answer(self, answer: Answer) -> None:
        """Take over the GPUs as they are told, and the lists."""
        if answer.gpus is not None:
            found = dict[str, list[Gpu]]()
            for gpu in answer.gpus:
                found.setdefault(gpu.node, []).append(gpu)
            self._of_nodes = found
        super().show_answer(answer)

    def show_rows(self) -> None:
        """Show the nodes in their order."""
        nodes = self._all()
        width = self.table.size.width - 2
        lines = [row(node, self._drain(node), self._gpus(node), width=width, look=self.look) for node in nodes]
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
        self.detail.show(lines, title=node.name)

    def _all(self) -> tuple[Node, ...]:
        return () if self.cluster is None else self.cluster.nodes

    def _node(self) -> Node | None:
        nodes = self._all()
        return nodes[self.table.cursor] if self.table.cursor < len(nodes) else None

    def _drain(self, node: Node) -> Drain | None:
        return next((drain for drain in self.known.drains or () if drain.node == node.name), None)

    def _gpus(self, node: Node) -> Sequence[Gpu]:
        return self._of_nodes.get(node.name, ())

    def _jobs(self) -> list[Job]:
        node = self._node()
        return [] if node is None else [job for job in self.jobs if job.id in node.job_ids]
