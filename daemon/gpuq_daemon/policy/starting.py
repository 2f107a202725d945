"""A start as the job that it makes: what it will hold, and until when."""

from __future__ import annotations

from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Start


def begun(job: PendingJob, start: Start, now: float) -> ActiveJob:
    """Return what a start becomes. Of an exclusive gang only what its ranks use is told; it has its nodes alone."""
    gang = job.gang
    workers, ps = start.workers_by_node, start.ps_by_node
    used = {**workers, **ps}
    return ActiveJob(
        job_id=job.job_id,
        user=job.user,
        partition=job.partition,
        gpus_by_node={node: workers.get(node, 0) * gang.gpus_per_worker for node in used},
        until=None if job.time_limit_s is None else now + job.time_limit_s,
        started_at=now,
        account=job.account,
        qos=job.qos,
        name=job.name,
        cpus_by_node={
            node: workers.get(node, 0) * gang.cpus_per_worker + ps.get(node, 0) * max(gang.cpus_per_ps, 1)
            for node in used
        },
        memory_mib_by_node={
            node: workers.get(node, 0) * gang.memory_mib_per_worker + ps.get(node, 0) * gang.memory_mib_per_ps
            for node in used
        },
        is_exclusive=gang.is_exclusive,
        array_id=job.array_id,
        throttle=job.throttle,
        submitted_at=job.submitted_at,
        gang=gang,
        reservation=job.reservation,
        is_preemptible=job.is_preemptible,
        past=job.past,
    )
