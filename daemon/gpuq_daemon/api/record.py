"""Routes about what was: the queue at a moment, and a pass decided again."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.models import Cluster, Job, JobState, Node, Reason
from gpuq.sharing import Decision
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import Pending, Queue
from gpuq_daemon.api.roles import operator
from gpuq_daemon.api.visible import may_see
from gpuq_daemon.forecast.record import Decided
from gpuq_daemon.forecast.then import Then
from gpuq_daemon.policy.snapshot import ActiveJob, Start

At = Annotated[float, Parameter(ge=0, le=1e12, description="Unix seconds; the last pass on record up to then counts.")]


class QueueThen(Struct):
    """The queue as the pass `at` one time left it. Of what ran only its place, owner and times are on record."""

    at: float
    queue: Queue


class Replayed(Struct):
    """A pass `at` one time: what it decided, and what it decides again, or under another `policy`.

    `is_same`: both are the same to the last node.
    """

    at: float
    policy: str | None
    waiting: int
    is_same: bool
    recorded: tuple[Decision, ...]
    again: tuple[Decision, ...]


@get("/v1/record/queue")
async def queue_then(request: Request[Any, Any, Any], desk: Desk, at: At) -> QueueThen:
    """Return the queue as it was, with why each job waited. Those who see what is their own are told of no others."""
    who, found = caller(request), await desk.record.queue(at)
    kinds = desk.gpu_kinds()
    active = [job for job in found.active if may_see(who, job.user)]
    places = desk.jobs.task_names({job.job_id for job in active})
    pending = [job for job in found.pending if may_see(who, job.user)]
    return QueueThen(
        at=found.at,
        queue=Queue(
            cluster=_cluster(desk, found),
            jobs=[_job(job, kinds.get(job.partition, "GPU"), places.get(job.job_id)) for job in active],
            pending=Pending(
                id=[job.job_id for job in pending],
                name=[job.name for job in pending],
                user=[job.user for job in pending],
                partition=[job.partition for job in pending],
                gpus=[job.gpus for job in pending],
                submitted_at=[job.submitted_at for job in pending],
                reason=[found.reasons.get(job.job_id, Reason.PRIORITY) for job in pending],
                array_id=[job.array_id for job in pending],
                array_index=[job.array_index for job in pending],
                throttle=[job.throttle for job in pending],
                p50_at=[None for _ in pending],
                p90_at=[None for _ in pending],
            ),
        ),
    )


@get("/v1/record/pass")
async def replay(
    request: Request[Any, Any, Any],
    desk: Desk,
    at: At,
    policy: Annotated[str | None, Parameter(max_length=40, description="What this one would have decided.")] = None,
) -> Replayed:
    """Return what a pass decided, and what it decides again from what it saw; for operators."""
    operator(request)
    found = await desk.record.again(at, policy)
    return Replayed(
        at=found.at,
        policy=policy,
        waiting=found.waiting,
        is_same=found.recorded == found.again,
        recorded=_decisions(desk, found.recorded),
        again=_decisions(desk, found.again),
    )


def _decisions(desk: Desk, decided: Decided) -> tuple[Decision, ...]:
    every = _of(decided)
    names = desk.jobs.task_names({number for one in every for number in (one.job_id, one.for_job) if number})
    return tuple(
        replace(one, task=names.get(one.job_id), for_task=None if one.for_job is None else names.get(one.for_job))
        for one in every
    )


def _of(decided: Decided) -> tuple[Decision, ...]:
    stops = [
        Decision(
            job_id=one.job_id,
            what="stop" if one.moved is None else "move",
            for_job=one.for_job,
            nodes=_nodes(one.moved),
        )
        for one in decided.preemptions
    ]
    starts = [Decision(job_id=start.job_id, what="start", nodes=_nodes(start)) for start in decided.starts]
    return (*stops, *starts, *(Decision(job_id=job_id, what="drop") for job_id in decided.expired))


def _nodes(start: Start | None) -> tuple[str, ...]:
    return () if start is None else tuple(sorted({**start.workers_by_node, **start.ps_by_node}))


def _cluster(desk: Desk, found: Then) -> Cluster:
    kinds, now = desk.gpu_kinds(), desk.cluster()
    held: dict[str, int] = {}
    for job in found.active:
        for node, gpus in job.gpus_by_node.items():
            held[node] = held.get(node, 0) + gpus
    nodes = tuple(
        Node(
            name=node.name,
            partition=node.partition,
            host="",
            gpu_kind=kinds.get(node.partition, "GPU"),
            gpus=node.gpus,
            free_gpus=max(0, node.gpus - held.get(node.name, 0)),
            is_up=node.is_up,
            gpu_type=node.gpu_type or None,
        )
        for node in found.nodes
    )
    return Cluster(name=now.name, version=now.version, engine_ok=True, nodes=nodes)


def _job(job: ActiveJob, gpu_kind: str, task: str | None) -> Job:
    workers = 1 if job.gang is None else job.gang.workers
    return Job(
        id=job.job_id,
        name=job.name,
        user=job.user,
        partition=job.partition,
        state=JobState.RUNNING,
        workers=workers,
        gpus_per_worker=job.gpus // max(1, workers),
        gpus=job.gpus,
        gpu_kind=gpu_kind,
        script_name="",
        script_sha256="",
        submitted_at=job.started_at if job.submitted_at is None else job.submitted_at,
        started_at=job.started_at,
        nodes=tuple(sorted(job.gpus_by_node)),
        account=job.account,
        qos=job.qos,
        array_id=job.array_id,
        array_index=None if task is None else int(task.partition("_")[2]),
    )
