"""The shape of what a job asks for: workers, what each needs, and how they may lie on nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Layout(StrEnum):
    """How a gang lies on nodes: on as few as possible, or on as many."""

    PACK = "pack"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """`workers` times what one worker needs, all or nothing, on GPUs of one model.

    `gpu_type` None takes any model, `a100|v100` one of these, but never mixes them: the slowest would set the pace
    of all. `nodes` is
    the exact number of nodes the workers lie on, as evenly as they can. `ps` are parameter servers: they
    need CPUs (at least one each) and memory, no GPU; so does the one more that an `evaluator` is.
    `is_exclusive` takes whole nodes and all they have.
    """

    workers: int = 1
    gpus_per_worker: int = 1
    gpu_type: str | None = None
    cpus_per_worker: int = 0
    memory_mib_per_worker: int = 0
    ps: int = 0
    evaluator: bool = False
    cpus_per_ps: int = 1
    memory_mib_per_ps: int = 0
    nodes: int | None = None
    is_exclusive: bool = False
    layout: Layout = Layout.PACK
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Gangs are looked up by value all the time: their hash is taken once.
        w, m = (self.workers, self.gpus_per_worker, self.gpu_type), (self.memory_mib_per_worker, self.memory_mib_per_ps)
        where = (self.nodes, self.is_exclusive, self.layout)
        servers = (self.ps, self.evaluator, self.cpus_per_ps)
        object.__setattr__(self, "_hash", hash((w, m, where, self.cpus_per_worker, servers)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return self.workers * self.gpus_per_worker

    @property
    def gpu_types(self) -> tuple[str, ...]:
        """The GPU models it may have, as they were written; none is any."""
        return () if self.gpu_type is None else tuple(self.gpu_type.split("|"))

    def takes(self, gpu_type: str) -> bool:
        """Return whether GPUs of a model will do."""
        return self.gpu_type is None or gpu_type in self.gpu_type.split("|")

    @property
    def servers(self) -> int:
        """What of it has no GPU: parameter servers and the evaluator."""
        return self.ps + self.evaluator

    @property
    def needs_gpus_only(self) -> bool:
        """Whether nothing but free GPUs decides how many workers a node takes."""
        return not (self.cpus_per_worker or self.memory_mib_per_worker or self.is_exclusive)
