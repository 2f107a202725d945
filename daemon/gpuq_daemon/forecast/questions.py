"""What gpuqd asks the process beside it, and what it is answered."""

from __future__ import annotations

from msgspec import Struct

from gpuq.models import Why
from gpuq.sharing import Moved
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.forecast.packing import Run, Scene
from gpuq_daemon.forecast.record import Decided
from gpuq_daemon.policy.snapshot import Snapshot


class Ahead(Struct, frozen=True):
    """What a queue is played forward from. `runs` are of the past, by submit; `budget_s` is CPU time."""

    scene: Scene
    runs: tuple[Run, ...]
    seed: int
    half_life_s: float
    budget_s: float


class Estimates(Struct, frozen=True, tag="estimates"):
    """When will all that wait start?"""

    ahead: Ahead


class Estimated(Struct, frozen=True):
    """The answer, and the CPU time it took."""

    estimates: tuple[Estimate, ...]
    cpu_s: float


class Sooner(Struct, frozen=True, tag="sooner"):
    """What would let a job start sooner?"""

    ahead: Ahead
    job_id: int


class WhatIf(Struct, frozen=True, tag="what-if"):
    """Who would start when, if a line came true, or if operators had decided a `world` (which has no jobs)?"""

    ahead: Ahead
    line: str = ""
    world: Snapshot | None = None


class Changed(Struct, frozen=True):
    """What a change would do. `refusal` is what is wrong with its line; `is_whole`: there was time for all of it."""

    moved: tuple[Moved, ...] = ()
    refusal: str | None = None
    is_whole: bool = True


class Past(Struct, frozen=True, kw_only=True):
    """A scene on record, as the record has it."""

    whole: bytes
    changes: tuple[bytes, ...]
    decided: bytes


class Again(Struct, frozen=True, tag="again"):
    """What did a pass decide, and what does it decide again, or under another policy?"""

    past: Past
    policy: str | None


class Redecided(Struct, frozen=True, kw_only=True):
    """What was decided, and what is. `refusal` is what is wrong with the policy's name."""

    at: float = 0.0
    waiting: int = 0
    recorded: Decided = Decided()
    again: Decided = Decided()
    refusal: str | None = None


class QueueThen(Struct, frozen=True, tag="then"):
    """What did the queue look like?"""

    past: Past


class WhyThen(Struct, frozen=True, tag="why"):
    """Why did a job not start then?"""

    past: Past
    job_id: int
    gpu_kind: str


class Explained(Struct, frozen=True):
    """Why, or that the job was not there."""

    why: Why | None = None
    missing: str | None = None


Question = Estimates | Sooner | WhatIf | Again | QueueThen | WhyThen
