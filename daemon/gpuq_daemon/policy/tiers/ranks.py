"""Where a job stands among others: whether it is small, and what goes before the time of its arrival."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from math import inf

from gpuq_daemon.policy.rules import Qos
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob
from gpuq_daemon.policy.tiers.settings import Tiers


class Ranks:
    """Ranks by what a job has had so far. They change only as it comes to have had certain amounts."""

    def __init__(self, tiers: Tiers, qos: Mapping[str, Qos]) -> None:
        self._tiers = tiers
        self._priorities = {name: -one.priority for name, one in qos.items()}
        self._steps = sorted({tiers.small_gpu_s / 4, tiers.small_gpu_s, *tiers.levels_gpu_s})

    def is_small(self, job: PendingJob | ActiveJob, attained_gpu_s: float, limit_s: float) -> bool:
        """Return whether a job is small: it has had little, and can be stopped before it has much, or has to end."""
        small, tiers = self._tiers.small_gpu_s, self._tiers
        return attained_gpu_s < small and ((job.is_preemptible and tiers.may_preempt) or job.gpus * limit_s <= small)

    def rank(self, qos: str, attained_gpu_s: float) -> tuple[int, int]:
        """Return what goes before the time of arrival: QOS and level."""
        small = self._tiers.small_gpu_s
        level = int(attained_gpu_s >= small / 4) if attained_gpu_s < small else self._tiers.level(attained_gpu_s)
        return self._priorities.get(qos, 0), level

    def next_step(self, attained_gpu_s: float) -> float:
        """Return how much a job will have had when its rank may change next."""
        at = bisect_right(self._steps, attained_gpu_s)
        return self._steps[at] if at < len(self._steps) else inf
