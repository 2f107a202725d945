"""The GPUs of a cluster as they are now: the answer of `GET /v1/gpus`. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GpuState(StrEnum):
    """How a GPU is. IDLE: a job holds it and has not used it for long; the last three say what is wrong first."""

    FREE = "free"
    BUSY = "busy"
    IDLE = "idle"
    THROTTLED = "throttled"
    STRANGER = "stranger"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A process on a GPU that belongs to no job. `command` is its name, without its words."""

    pid: int
    user: str
    command: str
    memory_mib: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU slot of a node, number `place` from 0. What is not told is None.

    `name` is what it is called on its host, an index or a UUID; `uuid` is told where NVML can be asked. `util` is in
    per cent. `cpu` is what the rank's processes use, in per cent of one core: all that is known of a virtual GPU.
    `idle_s` is for how long the rank has not used it. `throttled` are the reasons for which it runs slower than it
    could. `at` is when this was read.
    """

    node: str
    partition: str
    place: int
    state: GpuState
    kind: str
    name: str | None = None
    uuid: str | None = None
    model: str | None = None
    job_id: int | None = None
    user: str | None = None
    rank: int | None = None
    util: float | None = None
    memory_mib: float | None = None
    memory_total_mib: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    cpu: float | None = None
    idle_s: float | None = None
    throttled: tuple[str, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    at: float | None = None
