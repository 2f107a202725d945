"""What of all that is known is shown to whom: where `[privacy] private` is set, users see what is their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from litestar import Request

from gpuq.errors import ForbiddenError
from gpuq.gpus import Gpu
from gpuq.models import Cluster, Job, Node, Why
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.task_names import named
from gpuq_daemon.policy import gpu_map
from gpuq_daemon.policy.reasons import without_others
from gpuq_daemon.store.job_questions import unknown_job

LARGEST_ID = 2**62 - 1


def may_see(who: Caller, user: str | None) -> bool:
    """Return whether who asks may see what is about `user`'s jobs; None is what is nobody's."""
    return user is None or who.may_see(user)


def sees_everything(who: Caller) -> bool:
    """Return whether `may_see` is true of everybody: what such a one is sent can be shared."""
    return who.sees_all


def visible_job(request: Request[Any, Any, Any], desk: Desk, job_id: int) -> Job:
    """Return a job that who asks may look at.

    Raises:
        NotFoundError: there is none, or none that is theirs to see; nothing tells one from the other.
    """
    if not 0 < job_id <= LARGEST_ID:  # in a list of numbers nothing bounds each
        raise unknown_job(job_id)
    job = desk.jobs.job(job_id)
    if not caller(request).may_see(job.user):
        raise unknown_job(job_id)
    return job


def changeable_job(request: Request[Any, Any, Any], desk: Desk, job_id: int) -> Job:
    """Return a job that who asks may change.

    Raises:
        NotFoundError: there is none, or none that is theirs to see.
        ForbiddenError: it is somebody else's.
    """
    job = visible_job(request, desk, job_id)
    if not caller(request).may_change(job.user):
        raise ForbiddenError(f"Job {job.id} belongs to {job.user}; only its owner or an operator may change it.")
    return job


def seen_why(who: Caller, desk: Desk, why: Why) -> Why:
    """Return why a job waits as people name jobs, without what is others' to know."""
    return named(desk, why if who.sees_all else without_others(why, who.owner.user))


def seen_cluster(who: Caller, desk: Desk, cluster: Cluster) -> Cluster:
    """Return the cluster, with the ids of those jobs only that may be looked at."""
    if who.sees_all:
        return cluster
    mine = {job.id for job in desk.jobs.jobs(user=who.owner.user)}
    return replace(cluster, nodes=tuple(_seen_node(node, mine) for node in cluster.nodes))


def _seen_node(node: Node, mine: set[int]) -> Node:
    return replace(node, job_ids=tuple(job_id for job_id in node.job_ids if job_id in mine))


def seen_gpu(who: Caller, gpu: Gpu) -> Gpu:
    """Return a GPU without what is others' to know: of one that is nobody's, whose processes are on it."""
    is_seen = who.sees_all or (gpu.user is not None and may_see(who, gpu.user))
    return gpu if is_seen else gpu_map.without_others(gpu)
