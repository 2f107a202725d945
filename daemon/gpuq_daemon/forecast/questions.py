"""What gpuqd asks the process beside it, and what it is answered."""

from __future__ import annotations

from msgspec import Struct

from gpuq.sharing import Moved
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


class Sooner(Struct, frozen=True, tag="sooner"):
    """What would let a job start sooner?"""

    scene: Scene
    runs: tuple[Run, ...]
    seed: int
    half_life_s: float
    budget_s: float
    job_id: int


class WhatIf(Struct, frozen=True, tag="what-if"):
    """Who would start when, if a line came true?"""

    scene: Scene
    runs: tuple[Run, ...]
    seed: int
    half_life_s: float
    budget_s: float
    line: str


class Changed(Struct, frozen=True):
    """What a change would do. `refusal` is what is wrong with its line; `is_whole`: there was time for all of it."""

    moved: tuple[Moved, ...] = ()
    refusal: str | None = None
    is_whole: bool = True


Question = Estimates | Sooner | WhatIf
