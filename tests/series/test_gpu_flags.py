"""What is wrong with how GPUs are used is said of the right rank, and of no other."""

from __future__ import annotations

from typing import Any

from gpuq.models import SignalKind
from gpuq_daemon.series.gpu_flags import Flag, flags
from gpuq_daemon.series.sampled import GpuSample, Sample, Stranger


def a_gpu(**named: Any) -> GpuSample:
    values: dict[str, Any] = {"uuid": "GPU-1", "index": 3, "util": 90.0, "memory_mib": 900, "memory_total_mib": 1000}
    return GpuSample(**{**values, **named})


def a_sample(*gpus: GpuSample, rank: int = 0, idle_s: float = 0.0) -> Sample:
    return Sample(t=10_000, rank=rank, cpu=3, memory_mib=100, idle_s=idle_s, gpus=gpus)


def told(*samples: Sample, is_ours: bool = False) -> list[Flag]:
    by_rank = {sample.rank: sample for sample in samples}
    return flags(by_rank, workers=2, gpu_kind="virtual GPU", idle_after_s=600, is_ours=lambda one: is_ours)


def test_a_gpu_that_is_used_is_no_matter() -> None:
    assert told(a_sample(a_gpu()), a_sample(a_gpu(), rank=1, idle_s=599)) == []


def test_a_gpu_that_is_held_and_not_used_is_told_with_since_when() -> None:
    found = told(a_sample(a_gpu(util=0.0, memory_mib=10), rank=1, idle_s=700))

    assert [(f.kind, f.rank, f.tag, f.since, f.text) for f in found] == [
        (SignalKind.IDLE, 1, "gpu/util", 9_300, "rank 1 holds GPU 3 and does nothing")
    ]


def test_full_memory_without_work_is_told_as_such_instead() -> None:
    found = told(a_sample(a_gpu(util=0.0, memory_mib=960), idle_s=700))

    assert [(f.kind, f.text) for f in found] == [
        (SignalKind.FULL_BUT_IDLE, "rank 0 fills the memory of GPU 3 and does nothing")
    ]


def test_of_a_virtual_gpu_the_cpu_tells() -> None:
    found = told(a_sample(idle_s=601))

    assert [(f.kind, f.tag, f.text) for f in found] == [
        (SignalKind.IDLE, "cpu/util", "rank 0 holds a virtual GPU and does nothing")
    ]


def test_a_rank_without_a_gpu_may_do_nothing() -> None:
    assert told(a_sample(rank=2, idle_s=10_000)) == []


def test_a_gpu_that_is_slowed_down_and_a_process_of_nobodys_are_told() -> None:
    stranger = Stranger(pid=4711, user="eve", command="mine\x1b[31mr")
    sample = a_sample(a_gpu(throttled=("too hot",), strangers=(stranger,)))

    assert [(f.kind, f.text) for f in told(sample)] == [
        (SignalKind.THROTTLED, "GPU 3 of rank 0 is slowed down: too hot"),
        (
            SignalKind.STRANGER,
            "process 4711 (mine\\x1b[31mr of eve), which belongs to no job, is on GPU 3 of rank 0",
        ),
    ]
    assert [f.kind for f in told(sample, is_ours=True)] == [SignalKind.THROTTLED]
