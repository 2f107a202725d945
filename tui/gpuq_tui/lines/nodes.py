"""Nodes, every GPU of them a cell, and what runs on one."""

from __future__ import annotations

from collections.abc import Sequence

from gpuq.gpus import Gpu, GpuState
from gpuq.models import Job, Node
from gpuq.sharing import Drain, ReservationRow
from gpuq.units import moment, plural
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.gpu import WRONG, used, wrongs
from gpuq_tui.lines.line import Line, Look, Tone, fit, line, wrap

LEGEND = "# busy i idle ! stranger t slowed . free x drained - down"
_MOST_CELLS = 64
_LETTERS = {
    GpuState.BUSY: "#",
    GpuState.IDLE: "i",
    GpuState.STRANGER: "!",
    GpuState.THROTTLED: "t",
    GpuState.FREE: ".",
    GpuState.DOWN: "-",
}


def heading(width: int, look: Look) -> Line:
    """Return the names of the columns."""
    name, _ = _widths(width)
    return line(f"  {fit('NODE', name, look)} {fit('PARTITION', 10, look)} {fit('GPU', 12, look)} FREE  GPUS", Tone.DIM)


def row(
    node: Node, drain: Drain | None, gpus: Sequence[Gpu] = (), *, width: int, look: Look, chosen: int | None = None
) -> Line:
    """Return one node: a cell for each GPU, and what is wrong with it in words; `gpus` are the node's, if known.

    The cell number `chosen` stands in brackets.
    """
    name, note = _widths(width)
    model = node.gpu_type or node.gpu_kind
    head = f"{fit(node.name, name, look)} {fit(node.partition, 10, look)} {fit(model, 12, look)} {node.free_gpus:>4}  "
    jobs = "jobs " + " ".join(str(job_id) for job_id in node.job_ids) if node.job_ids else "no job"
    told = f"drained: {drain.reason}" if drain is not None else "down" if not node.is_up else jobs
    wrong = [gpu.state for gpu in gpus if gpu.state in WRONG]
    bad = Tone.BAD if not node.is_up else Tone.WARN if drain is not None or wrong else Tone.PLAIN
    told += f", {', '.join(dict.fromkeys(wrong))}" if wrong and node.is_up else ""
    cells = gpu_cells(node, gpus, is_drained=drain is not None)
    if chosen is not None and chosen < len(cells):
        cells = f"{cells[:chosen]}[{cells[chosen]}]{cells[chosen + 1 :]}"
    return (head, Tone.PLAIN), (cells, bad), ("  " + fit(told, max(0, note - len(cells)), look), bad)


def gpu_cells(node: Node, gpus: Sequence[Gpu] = (), *, is_drained: bool) -> str:
    """Return a letter for each GPU of a node, the held ones first; `+` stands for those that there is no room for."""
    busy = max(0, node.gpus - node.free_gpus)
    idle = "-" if not node.is_up else "x" if is_drained else "."
    cells = "#" * busy + idle * (node.gpus - busy)
    if len(gpus) == node.gpus and sum(gpu.job_id is not None for gpu in gpus) == busy:  # else older than the node
        cells = "".join(idle if gpu.state is GpuState.FREE else _LETTERS[gpu.state] for gpu in gpus)
    return cells if len(cells) <= _MOST_CELLS else cells[: _MOST_CELLS - 1] + "+"


def detail_lines(
    node: Node,
    jobs: Sequence[Job],
    drain: Drain | None,
    reservations: Sequence[ReservationRow],
    gpus: Sequence[Gpu] = (),
    *,
    width: int,
) -> list[Line]:
    """Return what is to be said of a node: its jobs with their ranks and GPUs, its drain, who has it reserved."""
    lines: list[Line] = []
    for job in jobs:
        lines.append(line(f"job {job.shown_id} {job.name} ({job.user}/{job.account}) {job.state}", Tone.STRONG))
        for rank in job.ranks:
            if rank.node == node.name:
                its = f"GPU {','.join(rank.gpus)}" if rank.gpus else "no GPU"
                lines.append(line(f"  rank {rank.rank} {rank.role}  {its}  pid {rank.pid or '-'}  {rank.state}"))
                mine = [gpu for gpu in gpus if (gpu.job_id, gpu.rank) == (job.id, rank.rank)]
                lines += [_use(gpu) for gpu in mine if gpu.at is not None]
    if not jobs:
        lines.append(line("no job", Tone.DIM))
    for gpu in gpus:
        wrong = [f"GPU {gpu.name or gpu.place}: {text}" for text in wrongs(gpu)]
        lines += [line(part, Tone.WARN) for text in wrong for part in wrap(text, width)]
    if drain is not None:
        text = f"drained by {drain.by_user} since {moment(drain.since)}: {drain.reason}"
        lines += [line(part, Tone.WARN) for part in wrap(text, width)]
    for held in reservations:
        if node.name in held.nodes:
            whose = ", ".join((*held.accounts, *held.users)) or "maintenance"
            text = f"reserved as {held.name} for {whose}, {moment(held.start_at)} to {moment(held.end_at)}"
            lines += [line(part) for part in wrap(text, width)]
    return [*lines, line(f"host {node.host}, {plural(node.gpus, node.gpu_kind)}", Tone.DIM)]


def _use(gpu: Gpu) -> Line:
    return line(f"    {used(gpu)}", Tone.WARN if gpu.state in WRONG else Tone.DIM)


def node_actions(node: Node, drain: Drain | None) -> list[Action]:
    """Return what operators can do with a node."""
    words = ("admin", "node", "drain", node.name, "--reason", "")
    reserve = ("admin", "reservation", "create", "--nodes", node.name, "--duration", "")
    return [
        Action(key="d", deed="drain it", words=words, is_open=True)
        if drain is None
        else Action(key="r", deed="let it take jobs again", words=("admin", "node", "resume", node.name)),
        Action(key="v", deed="reserve it", words=reserve, is_open=True),
    ]


def _widths(width: int) -> tuple[int, int]:
    """Return the cells of the names, and of what comes after the numbers."""
    name = max(10, min(30, width // 5))
    return name, max(0, width - name - 2 - 1 - 10 - 1 - 12 - 1 - 4 - 2 - 2)
