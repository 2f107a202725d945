"""Usage as it will be: what was used fades while what runs in a replay is added to it."""

from __future__ import annotations

from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import AssociationKey, fair_tree
from gpuq_daemon.policy.snapshot import ActiveJob, Snapshot, Start
from gpuq_daemon.policy.usage import Charge, Usage, charged, merged, standing


class UsageAhead:
    """Keeps the shares of a replay as gpuqd keeps those of the present. Of CPUs and memory nothing is counted.

    `rules` are those in force.
    """

    def __init__(self, snapshot: Snapshot, half_life_s: float) -> None:
        self.rules = snapshot.rules
        self._used_gpu_s = snapshot.used_gpu_s
        self._half_life_s = half_life_s
        at = snapshot.shares.at
        self._ledger = {key: Usage(amount=share.usage, at=at) for key, share in snapshot.shares.users.items()}
        self._running: dict[int, tuple[AssociationKey, Charge]] = {}
        types = {node.name: node.gpu_type for node in snapshot.nodes}
        # An order by tiers asks for no shares, and neither does one without accounts.
        self._is_asked = snapshot.rules.tiers is None and bool(snapshot.rules.tree.associations)
        for job in snapshot.active:
            gpu_type = next((types.get(node, "") for node in job.gpus_by_node), "")
            self._running[job.job_id] = _charge(self._rate(job, gpu_type), job, at)

    def began(self, job: ActiveJob, start: Start) -> None:
        """Count a job from its start on."""
        self._running[job.job_id] = _charge(self._rate(job, start.gpu_type), job, job.started_at)

    def ended(self, job: ActiveJob, at: float) -> None:
        """Count a job no longer."""
        key, charge = self._running.pop(job.job_id)
        if self._is_asked:
            used = charged(Charge(rate=charge.rate, since=charge.since, until=at), at, self._half_life_s)
            self._ledger[key] = merged(self._ledger.get(key, Usage(at=at)), used, self._half_life_s)

    def recalculate(self, engine: Engine, now: float) -> None:
        """Give the engine the shares as of now."""
        if not self._is_asked:
            return
        usage = standing(self._ledger, self._running.values(), at=now, half_life_s=self._half_life_s)
        engine.recalculate(fair_tree(self.rules.tree, usage, at=now), self._used_gpu_s)

    def _rate(self, job: ActiveJob, gpu_type: str) -> float:
        qos = self.rules.qos.get(job.qos)
        factor = 1.0 if qos is None else qos.usage_factor
        return self.rules.billing.gpu_weight(gpu_type or None) * job.gpus * factor


def _charge(rate: float, job: ActiveJob, since: float) -> tuple[AssociationKey, Charge]:
    return (job.account, job.user), Charge(rate=rate, since=since)
