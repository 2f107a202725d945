"""Why a pending job waits: its one reason with the arithmetic, as one sentence for every view."""

from __future__ import annotations

from datetime import UTC, datetime

from gpuq.models import Holder, JobState, Reason, Why
from gpuq_daemon.policy.plan import in_order, plan
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot


def explain(snapshot: Snapshot, job_id: int, *, gpu_kind: str = "GPU") -> Why:
    """Return why the pending job does not start now.

    Raises:
        KeyError: the job is not pending in the snapshot.
    """
    queue = in_order(snapshot.pending)
    job = next((job for job in queue if job.job_id == job_id), None)
    if job is None:
        raise KeyError(job_id)
    queue = [other for other in queue if other.partition == job.partition]
    ahead = queue[: queue.index(job)]
    holders = tuple(
        Holder(job_id=other.job_id, user=other.user, gpus=other.gpus, until=other.until)
        for other in snapshot.active
        if other.partition == job.partition
    )
    free, total = _free_and_total(snapshot, job.partition)
    reason = plan(snapshot).reasons.get(job_id)
    return Why(
        job_id=job_id,
        state=JobState.PENDING,
        reason=reason,
        text=_sentence(snapshot, job, reason, free, total, ahead, holders, gpu_kind),
        needs_gpus=job.gpus,
        free_gpus=free,
        total_gpus=total,
        jobs_ahead=len(ahead),
        gpus_ahead=sum(other.gpus for other in ahead),
        held_by=holders,
    )


def _free_and_total(snapshot: Snapshot, partition: str) -> tuple[int, int]:
    nodes = {node.name: node for node in snapshot.nodes if node.partition == partition}
    free = sum(max(gpus, 0) for name, gpus in snapshot.free_by_node().items() if name in nodes)
    return free, sum(node.gpus for node in nodes.values())


def _sentence(
    snapshot: Snapshot,
    job: PendingJob,
    reason: Reason | None,
    free: int,
    total: int,
    ahead: list[PendingJob],
    holders: tuple[Holder, ...],
    gpu_kind: str,
) -> str:
    match reason:
        case None:
            return "starts in the next pass."
        case Reason.ENGINE_DOWN:
            return f"its partition starts nothing now: {snapshot.down[job.partition].rstrip('.')}."
        case Reason.PRIORITY:
            jobs = "1 job is" if len(ahead) == 1 else f"{len(ahead)} jobs are"
            wanted = sum(other.gpus for other in ahead)
            return f"{jobs} ahead, wanting {wanted} {gpu_kind}s; {free} of {total} free."
        case Reason.RESOURCES:
            shape = f"{job.workers} x {job.gpus_per_worker}" if job.workers > 1 else ""
            needs = f"needs {job.gpus} {gpu_kind}{'s' if job.gpus != 1 else ''}"
            held = "; ".join(_held(holder) for holder in holders[:3])
            more = f" and {len(holders) - 3} more jobs" if len(holders) > 3 else ""
            return f"{needs}{f' ({shape})' if shape else ''}, {free} of {total} free" + (
                f": {held}{more}." if held else "."
            )


def _held(holder: Holder) -> str:
    until = (
        "without a time limit"
        if holder.until is None
        else f"until {datetime.fromtimestamp(holder.until, UTC).astimezone():%H:%M:%S} at the latest"
    )
    return f"job {holder.job_id} ({holder.user}) holds {holder.gpus} {until}"
