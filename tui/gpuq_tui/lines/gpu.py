"""One GPU: how it is, whose it is, what uses it."""

from __future__ import annotations

from collections.abc import Sequence

from gpuq.gpus import Gpu, GpuState
from gpuq.models import Job
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Tone, line, wrap

_WORDS = {
    GpuState.FREE: "free",
    GpuState.BUSY: "busy",
    GpuState.IDLE: "held, but idle",
    GpuState.THROTTLED: "slowed down",
    GpuState.STRANGER: "used by a process of no job",
    GpuState.DOWN: "its node is down",
}
_MOST_ROWS = 4
"""For each thing that is said: names of processes are as long as their owners like."""
WRONG = (GpuState.IDLE, GpuState.STRANGER, GpuState.THROTTLED)


def gpu_lines(gpu: Gpu, job: Job | None, *, width: int) -> list[Line]:
    """Return what is to be said of a GPU, `job` being the one that holds it, where that is known."""
    tone = Tone.WARN if gpu.state in WRONG else Tone.BAD if gpu.state is GpuState.DOWN else Tone.STRONG
    known = ", ".join(text for text in (gpu.model, gpu.uuid) if text)
    rows: list[tuple[str, Tone]] = [(f"{gpu.kind} {_name(gpu)} is {_WORDS[gpu.state]}", tone)]
    rows += [(f"  {known}", Tone.DIM)] if known else []
    if job is not None:
        rows.append((f"job {job.shown_id} {job.name} ({job.user}/{job.account}) {job.state}", Tone.STRONG))
        rank = next((one for one in job.ranks if one.rank == gpu.rank), None)
        if rank is not None:
            process = "" if rank.pid is None else f"  process {rank.host}:{rank.pid}"
            rows.append((f"  rank {rank.rank} {rank.role}{process}  {rank.state}", Tone.PLAIN))
    elif gpu.job_id is not None:
        rows.append((f"job {gpu.job_id}" + ("" if gpu.user is None else f" of {gpu.user}"), Tone.STRONG))
    if gpu.at is not None:
        rows.append((f"  {used(gpu)}", Tone.WARN if gpu.state in WRONG else Tone.PLAIN))
    rows += [(f"  {text}", Tone.WARN) for text in wrongs(gpu)]
    return [line(part, tone) for text, tone in rows for part in wrap(text, width)[:_MOST_ROWS]]


def offers_of(gpu: Gpu) -> Sequence[tuple[str, str]]:
    """Return what of a GPU people want to paste elsewhere."""
    named = () if gpu.uuid is None else (("uuid", gpu.uuid),)
    held = () if gpu.job_id is None else (("job", str(gpu.job_id)),)
    return (("gpu", f"gpu:{gpu.node}/{_name(gpu)}"), *named, *held)


def used(gpu: Gpu) -> str:
    """Return how much a GPU is used; of a virtual one there is only the CPU."""
    memory = "" if gpu.memory_mib is None else f"  {gpu.memory_mib / 1024:.1f} GiB"
    power = "" if gpu.power_w is None else f"  {gpu.power_w:.0f} W"
    return f"CPU {gpu.cpu or 0:.0f}%" if gpu.util is None else f"GPU {_name(gpu)} {gpu.util:.0f}%{memory}{power}"


def wrongs(gpu: Gpu) -> list[str]:
    """Return what is wrong with a GPU, in words."""
    found = [f"process {one.pid} belongs to no job: {one.command} of {one.user}" for one in gpu.strangers]
    found += [f"slowed down: {', '.join(gpu.throttled)}"] if gpu.throttled else []
    return found + ([f"held, but not used for {short(gpu.idle_s or 0)}"] if gpu.state is GpuState.IDLE else [])


def _name(gpu: Gpu) -> str:
    return str(gpu.place) if gpu.name is None else gpu.name
