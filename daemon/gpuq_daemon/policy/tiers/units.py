"""What jobs count in the ledger: GPUs by the weight of their model and the factor of the QOS."""

from __future__ import annotations

from collections.abc import Iterable

from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob
from gpuq_daemon.policy.tiers.ledger import UNIT


class Units:
    """Weights as whole numbers; `capacity` is what all nodes that take jobs come to, `gpus` their GPUs."""

    def __init__(self, nodes: Iterable[NodeView], rules: Rules) -> None:
        self._billing = rules.billing
        self._qos = {name: qos.usage_factor for name, qos in rules.qos.items()}
        self._models: dict[str, str] = {}
        self._asked: dict[tuple[Gang, str], int] = {}
        self.gpus = 0
        capacity = 0.0
        for node in nodes:
            self._models[node.name] = node.gpu_type
            if node.takes_jobs:
                self.gpus += node.gpus
                capacity += node.gpus * self._billing.gpu_weight(node.gpu_type)
        self.capacity = round(capacity * UNIT)

    def units(self, job: PendingJob | ActiveJob) -> int:
        """Return what a job holds, or would hold, a second."""
        factor = self._qos.get(job.qos, 1.0)
        if isinstance(job, PendingJob):
            gang = job.gang
            asked = self._asked.get((gang, job.qos))
            if asked is None:
                types = gang.gpu_types
                weight = self._billing.gpu_weight(types[0] if len(types) == 1 else None)
                asked = self._asked[gang, job.qos] = round(gang.gpus * weight * factor * UNIT)
            return asked
        weigh = self._billing.gpu_weight
        held = sum(weigh(self._models.get(node)) * gpus for node, gpus in job.gpus_by_node.items())
        return round(held * factor * UNIT)
