"""What the policy sees of the world, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpuq.models import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node's GPU slots. A node that is down offers none, but keeps what runs on it."""

    name: str
    partition: str
    gpus: int
    is_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A gang that wants to start: `workers` times `gpus_per_worker`, all or nothing."""

    job_id: int
    user: str
    partition: str
    workers: int
    gpus_per_worker: int
    submitted_at: float

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return self.workers * self.gpus_per_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveJob:
    """A gang that holds GPUs, by node. `until` is the end of its time limit, None without one."""

    job_id: int
    user: str
    partition: str
    gpus_by_node: Mapping[str, int]
    until: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the whole gang."""
        return sum(self.gpus_by_node.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The cluster at one instant. `down` names partitions whose engine does not work, with the reason."""

    now: float
    nodes: tuple[NodeView, ...]
    pending: tuple[PendingJob, ...]
    active: tuple[ActiveJob, ...]
    down: Mapping[str, str]

    def free_by_node(self) -> dict[str, int]:
        """Return the free GPUs of every node that is up."""
        free = {node.name: node.gpus for node in self.nodes if node.is_up}
        for job in self.active:
            for node, gpus in job.gpus_by_node.items():
                if node in free:
                    free[node] -= gpus
        return free


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A gang to start now: how many of its workers go to each node."""

    job_id: int
    workers_by_node: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now. Every pending job is either in `starts` or has exactly one reason."""

    starts: tuple[Start, ...]
    reasons: Mapping[int, Reason]
