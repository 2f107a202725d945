"""Values for policy tests: name only what matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob, Plan, Snapshot
from gpuq_daemon.policy.starting import begun

__all__ = ["a_job", "a_node", "a_snapshot", "begun", "nodes", "running", "started"]

_GANG = {field.name for field in fields(Gang) if field.init}


def a_node(name: str = "n1", gpus: int = 8, **more: Any) -> NodeView:
    """Return a node of partition `main`."""
    values: dict[str, Any] = {"partition": "main", **more}
    return NodeView(name=name, gpus=gpus, **values)


def nodes(count: int, gpus: int = 8, **more: Any) -> tuple[NodeView, ...]:
    """Return like nodes n1, n2, ..."""
    return tuple(a_node(f"n{i + 1}", gpus, **more) for i in range(count))


def a_job(job_id: int = 1, **more: Any) -> PendingJob:
    """Return a pending job; what belongs to its gang may be given directly."""
    gang = Gang(**{name: more.pop(name) for name in list(more) if name in _GANG})
    usual: dict[str, Any] = {"user": "ann", "partition": "main", "submitted_at": float(job_id), "name": f"j{job_id}"}
    return PendingJob(job_id=job_id, gang=gang, **{**usual, **more})


def running(job_id: int, on: dict[str, int], **more: Any) -> ActiveJob:
    """Return an active job with GPUs by node."""
    values: dict[str, Any] = {"user": "bob", "partition": "main", "name": f"j{job_id}", **more}
    return ActiveJob(job_id=job_id, gpus_by_node=on, **values)


def a_snapshot(
    pending: Sequence[PendingJob] = (), *, on: Sequence[NodeView] = (), active: Sequence[ActiveJob] = (), **more: Any
) -> Snapshot:
    """Return a snapshot at time 1000."""
    values: dict[str, Any] = {"now": 1000.0, **more}
    return Snapshot(pending=tuple(pending), nodes=tuple(on), active=tuple(active), **values)


def started(plan: Plan) -> list[int]:
    """Return the jobs a plan starts, in its order."""
    return [start.job_id for start in plan.starts]
