"""What a rank used at one moment, as its driver has told it, and the points that this is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from gpuq.summaries import SAMPLED, SeriesKind
from gpuq_daemon.series.points import ScalarPoints, SeriesKey

SECONDS = "step/seconds"
OWN_SECONDS = "step/own_seconds"
"""Tags of a rank's steps: how long they take, and how much of that is spent outside of TensorFlow's functions."""

_Word = Annotated[str, Meta(max_length=128)]
_Amount = Annotated[float, Meta(ge=0, le=2**52)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A process on a GPU that is of no attempt."""

    pid: Annotated[int, Meta(gt=0, lt=2**31)]
    user: _Word
    command: _Word
    memory_mib: _Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """One GPU; None is what it does not tell. `util` is in per cent."""

    uuid: _Word
    index: Annotated[int, Meta(ge=0, lt=2**16)] | None = None
    model: _Word | None = None
    util: _Amount | None = None
    memory_mib: _Amount | None = None
    memory_total_mib: _Amount | None = None
    power_w: _Amount | None = None
    temperature_c: Annotated[float, Meta(ge=-273, le=10_000)] | None = None
    throttled: Annotated[tuple[_Word, ...], Meta(max_length=8)] = ()
    strangers: Annotated[tuple[Stranger, ...], Meta(max_length=16)] = ()

    @property
    def name(self) -> str:
        """What people call it on its host: its index, else its UUID."""
        return self.uuid if self.index is None else str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps since the sample before. Means are without the longest tenth; `own` is time outside TensorFlow."""

    count: Annotated[int, Meta(ge=1, lt=2**32)]
    mean_s: _Amount
    p95_s: _Amount
    own_s: _Amount
    own_p95_s: _Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a rank used at `t`: `cpu` in per cent of one core, the memory of its processes, its GPUs.

    `idle_s` is for how long it has not used its GPUs or, where none are told, the CPU.
    """

    t: Annotated[float, Meta(gt=0, lt=2**40)]
    rank: Annotated[int, Meta(ge=0, lt=2**16)]
    cpu: _Amount
    memory_mib: _Amount
    idle_s: _Amount
    gpus: Annotated[tuple[GpuSample, ...], Meta(max_length=64)] = ()
    steps: Steps | None = None


def points(samples: Iterable[Sample], began_at: float) -> dict[SeriesKey, ScalarPoints]:
    """Return samples as points of series; their step is the second of the job since `began_at`."""
    found: dict[SeriesKey, ScalarPoints] = {}
    for sample in samples:
        step = max(0, int(sample.t - began_at))
        for tag, value in _values(sample):
            key = SeriesKey(rank=sample.rank, run=SAMPLED, tag=tag, kind=SeriesKind.SCALAR)
            found.setdefault(key, ScalarPoints()).append((step, sample.t, value))
    return found


def _values(sample: Sample) -> Iterator[tuple[str, float]]:
    """Yield what a sample says by tag: of several GPUs the mean of use, the sum of memory and power, the hottest."""
    yield "cpu/util", sample.cpu
    yield "cpu/memory_mib", sample.memory_mib
    if sample.steps is not None:
        yield SECONDS, sample.steps.mean_s
        yield OWN_SECONDS, sample.steps.own_s
    known = [gpu.util for gpu in sample.gpus if gpu.util is not None]
    if known:
        yield "gpu/util", sum(known) / len(known)
    for tag, values in (
        ("gpu/memory_mib", [gpu.memory_mib for gpu in sample.gpus]),
        ("gpu/power_w", [gpu.power_w for gpu in sample.gpus]),
    ):
        there = [value for value in values if value is not None]
        if there:
            yield tag, sum(there)
    hottest = max((gpu.temperature_c for gpu in sample.gpus if gpu.temperature_c is not None), default=None)
    if hottest is not None:
        yield "gpu/temperature_c", hottest
