"""Values with defaults, so that a test names only what matters."""

from __future__ import annotations

from typing import Any

from gpuq.models import JobSpec
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob, Snapshot

MAIN_FUN = "def main_fun(args, ctx):\n    pass\n"


def a_spec(**named: Any) -> JobSpec:
    """Return a spec of one worker with one GPU."""
    values: dict[str, Any] = {"script_name": "train.py", "script": MAIN_FUN, **named}
    return JobSpec(**values)


def a_job(job_id: int, **named: Any) -> PendingJob:
    """Return a pending job of one worker with one GPU in the partition `p`."""
    values: dict[str, Any] = {"user": "ann", "partition": "p", "workers": 1, "gpus_per_worker": 1, "submitted_at": 0.0}
    return PendingJob(job_id=job_id, **{**values, **named})


def an_active(job_id: int, **gpus_by_node: int) -> ActiveJob:
    """Return a job that holds GPUs of the partition `p`."""
    return ActiveJob(job_id=job_id, user="bob", partition="p", gpus_by_node=gpus_by_node)


def a_node(name: str, gpus: int, **named: Any) -> NodeView:
    """Return a node of the partition `p` that is up."""
    values: dict[str, Any] = {"partition": "p", **named}
    return NodeView(name=name, gpus=gpus, **values)


def a_snapshot(**named: Any) -> Snapshot:
    """Return a snapshot of two nodes with two GPUs each."""
    values: dict[str, Any] = {
        "now": 0.0,
        "nodes": (a_node("a", 2), a_node("b", 2)),
        "pending": (),
        "active": (),
        "down": {},
    }
    return Snapshot(**{**values, **named})
