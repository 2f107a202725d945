"""A job from the outside in: its attempt, the Spark application, the ranks, their GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from gpuq.models import Job, Rank
from gpuq.units import plural
from gpuq_tui.lines.line import Line, Tone, line
from gpuq_tui.lines.queue import note

_BAD = ("FAILED", "LOST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One line of the tree: what it is (a key that stays), its text, what of it can be copied, and its rank."""

    key: str
    line: Line
    copy: str
    rank: int | None = None


def tree(job: Job) -> list[Leaf]:
    """Return the lines of a job from the top down; what is not known yet is left out."""
    held = f"  {plural(job.gpus, job.gpu_kind)}"
    leaves = [Leaf(key="job", line=_head("", f"job {job.id} {job.name}", f"  {job.state}{held}"), copy=str(job.id))]
    leaves.append(Leaf(key="account", line=line(f"  of {job.user} in account {job.account}", Tone.DIM), copy=job.user))
    if job.attempt:
        told = f"  {note(job)}" if job.state.holds_gpus else ""
        leaves.append(Leaf(key="attempt", line=_head("  ", f"attempt {job.attempt}", told), copy=f"{job.id}"))
    if job.application_id:
        pid = "" if job.driver_pid is None else f"  driver pid {job.driver_pid}"
        leaves.append(
            Leaf(
                key="application", line=_head("    ", f"application {job.application_id}", pid), copy=job.application_id
            )
        )
    for rank in job.ranks:
        leaves += _rank(rank, job)
    for key, uri in (("logs", job.log_uri), ("checkpoints", job.checkpoint_uri)):
        if uri:
            leaves.append(Leaf(key=key, line=line(f"  {key} {uri}", Tone.DIM), copy=uri))
    return leaves


def _rank(rank: Rank, job: Job) -> list[Leaf]:
    where = rank.host if rank.node is None or rank.node == rank.host else f"{rank.node} ({rank.host})"
    process = "" if rank.pid is None else f"  pid {rank.pid}"
    executor = "" if rank.executor_id is None else f"  executor {rank.executor_id}"
    ended = "" if rank.exit_code is None else f"  exit code {rank.exit_code}"
    first = "  failed first" if rank.rank == job.failed_rank else ""
    text = f"  on {where}{executor}{process}  {rank.state}{ended}{first}"
    tone = Tone.BAD if rank.state in _BAD else Tone.PLAIN
    handle = rank.host if rank.pid is None else f"{rank.host}:{rank.pid}"
    rows = [
        Leaf(
            key=f"rank {rank.rank}",
            line=_head("      ", f"rank {rank.rank} {rank.role}", text, tone),
            copy=handle,
            rank=rank.rank,
        )
    ]
    for gpu in rank.gpus:
        name = f"gpu:{rank.node or rank.host}/{gpu}"
        rows.append(Leaf(key=f"{rank.rank} {name}", line=line(f"        {name}"), copy=name, rank=rank.rank))
    return rows


def _head(indent: str, strong: str, rest: str, tone: Tone = Tone.PLAIN) -> Line:
    return (indent, Tone.PLAIN), (strong, Tone.STRONG), (rest, tone)
