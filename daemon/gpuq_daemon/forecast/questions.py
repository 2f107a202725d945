"""What gpuqd asks the process beside it, and what it is answered."""

from __future__ import annotations

from msgspec import Struct

from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.forecast.packing import Run, Scene


class Estimates(Struct, frozen=True, tag="estimates"):
    """When will all that wait start? `runs` are of the past, by submit; `budget_s` is CPU time."""

    scene: Scene
    runs: tuple[Run, ...]
    seed: int
    half_life_s: float
    budget_s: float


class Estimated(Struct, frozen=True):
    """The answer, and the CPU time it took."""

    estimates: tuple[Estimate, ...]
    cpu_s: float


Question = Estimates
