"""What samples say of how GPUs are used: held but idle, full but idle, slowed down, used by somebody else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gpuq.models import SignalKind
from gpuq.text import clean, fit
from gpuq_daemon.series.sampled import GpuSample, Sample, Stranger

FULL_SHARE = 0.9
_TAG_OF_GPU, _TAG_OF_CPU = "gpu/util", "cpu/util"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something that is so now, of one rank. `since` is when it began; `text` says it, but not since when."""

    kind: SignalKind
    rank: int
    tag: str
    since: float
    text: str


def flags(
    samples: Mapping[int, Sample],
    *,
    workers: int,
    gpu_kind: str,
    idle_after_s: float,
    is_ours: Callable[[Stranger], bool],
) -> list[Flag]:
    """Return what the newest samples of an attempt's ranks say, by rank; only its `workers` hold GPUs.

    `is_ours` says of a process that a rank does not know whether it is some job's all the same.
    """
    found: list[Flag] = []
    for rank, sample in sorted(samples.items()):
        if rank < workers:
            found += _of_rank(sample, gpu_kind, idle_after_s)
        for gpu in sample.gpus:
            found += _of_gpu(sample, gpu, is_ours)
    return found


def _of_rank(sample: Sample, gpu_kind: str, idle_after_s: float) -> Iterator[Flag]:
    if sample.idle_s < idle_after_s:
        return
    named = f"GPU {', '.join(gpu.name for gpu in sample.gpus)}" if sample.gpus else f"a {gpu_kind}"
    kind, text = SignalKind.IDLE, f"rank {sample.rank} holds {named} and does nothing"
    if sample.gpus and all(_is_full(gpu) for gpu in sample.gpus):
        kind, text = SignalKind.FULL_BUT_IDLE, f"rank {sample.rank} fills the memory of {named} and does nothing"
    tag = _TAG_OF_GPU if any(gpu.util is not None for gpu in sample.gpus) else _TAG_OF_CPU
    yield Flag(kind=kind, rank=sample.rank, tag=tag, since=sample.t - sample.idle_s, text=text)


def _of_gpu(sample: Sample, gpu: GpuSample, is_ours: Callable[[Stranger], bool]) -> Iterator[Flag]:
    if gpu.throttled:
        why = fit(clean(", ".join(gpu.throttled)), 60)
        text = f"GPU {_shown(gpu.name)} of rank {sample.rank} is slowed down: {why}"
        yield Flag(kind=SignalKind.THROTTLED, rank=sample.rank, tag=_TAG_OF_GPU, since=sample.t, text=text)
    for one in gpu.strangers:
        if not is_ours(one):
            who = f"process {one.pid} ({_shown(one.command)} of {_shown(one.user)})"
            text = f"{who}, which belongs to no job, is on GPU {_shown(gpu.name)} of rank {sample.rank}"
            yield Flag(kind=SignalKind.STRANGER, rank=sample.rank, tag=_TAG_OF_GPU, since=sample.t, text=text)


def _is_full(gpu: GpuSample) -> bool:
    used, there = gpu.memory_mib, gpu.memory_total_mib
    return used is not None and there is not None and there > 0 and used >= FULL_SHARE * there


def _shown(word: str) -> str:
    return fit(clean(word), 40)
