"""Who starts now. Strictly in submit order: a gang that waits is passed by nobody."""

from __future__ import annotations

from gpuq.models import Reason
from gpuq_daemon.policy.placement import place
from gpuq_daemon.policy.snapshot import PendingJob, Plan, Snapshot, Start


def in_order(pending: tuple[PendingJob, ...]) -> list[PendingJob]:
    """Return the queue, first to start first. Fair share takes its place here."""
    return sorted(pending, key=lambda job: job.job_id)


def plan(snapshot: Snapshot) -> Plan:
    """Return the gangs to start now and the one reason of every other."""
    free = snapshot.free_by_node()
    partition_of = {node.name: node.partition for node in snapshot.nodes}
    starts: list[Start] = []
    reasons: dict[int, Reason] = {}
    blocked: set[str] = set()
    for job in in_order(snapshot.pending):
        if job.partition in snapshot.down:
            reasons[job.job_id] = Reason.ENGINE_DOWN
            continue
        if job.partition in blocked:
            reasons[job.job_id] = Reason.PRIORITY
            continue
        here = {node: gpus for node, gpus in free.items() if partition_of[node] == job.partition}
        placed = place(job, here)
        if placed is None:
            blocked.add(job.partition)
            reasons[job.job_id] = Reason.RESOURCES
            continue
        for node, workers in placed.items():
            free[node] -= workers * job.gpus_per_worker
        starts.append(Start(job_id=job.job_id, workers_by_node=placed))
    return Plan(starts=tuple(starts), reasons=reasons)
