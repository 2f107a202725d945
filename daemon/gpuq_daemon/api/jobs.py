"""Routes about jobs: queue one, list them, ask why, end one, wait for one."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import ForbiddenError, UnavailableError, UsageError
from gpuq.models import Job, JobSpec, Why
from gpuq_daemon.api import views
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.peer import owner
from gpuq_daemon.policy.admission import refusal
from gpuq_daemon.policy.lifecycle import Intent
from gpuq_daemon.store.jobs import Owner

JobId = Annotated[int, Parameter(ge=1, lt=2**62)]
_LONGEST_WAIT_S = 60.0
_LONG_SCRIPT = 32 * 1024  # characters; a longer one takes too long to parse on the event loop


class Jobs(Struct):
    """Jobs by id."""

    jobs: list[Job]


@get("/v1/jobs")
async def list_jobs(
    desk: Desk,
    everything: Annotated[bool, Parameter(query="all", description="Jobs that have ended too.")] = False,
    user: str | None = None,
) -> Jobs:
    """Return the jobs that have not ended, or all that are kept."""
    return Jobs([views.whole(desk, job) for job in desk.jobs.jobs(everything=everything, user=user)])


@post("/v1/jobs")
async def enqueue(request: Request[Any, Any, Any], desk: Desk, data: JobSpec) -> Job:
    """Queue a job; it is durable when this is answered."""
    partition = data.partition or desk.config.first_partition
    if partition not in desk.config.partition:
        known = ", ".join(desk.config.partition)
        raise UsageError(f"There is no partition `{_shown(partition)}`; there is {known}.")
    name = data.name if data.name is not None else data.script_name.removesuffix(".py")
    check = partial(
        refusal,
        data,
        name=name,
        partition=partition,
        nodes=desk.nodes(),
        gpu_kind=desk.gpu_kind(partition),
        max_script_bytes=desk.config.max_script_kib * 1024,
    )
    refused = check() if len(data.script) < _LONG_SCRIPT else await asyncio.to_thread(check)
    if refused is not None:
        raise UsageError(refused)
    waiting = desk.jobs.count_pending()
    if waiting >= desk.config.max_pending_jobs:
        raise UnavailableError(f"The queue is full: {waiting} jobs wait. Try again when some have started.")
    job_id = await desk.jobs.add(
        data,
        owner(request),
        name=name,
        partition=partition,
        sha256=hashlib.sha256(data.script.encode()).hexdigest(),
        now=desk.clock.now(),
    )
    desk.wake()
    desk.bell.ring()
    return views.whole(desk, desk.jobs.job(job_id))


@get("/v1/jobs/{job_id:int}")
async def show(desk: Desk, job_id: JobId) -> Job:
    """Return one job."""
    return views.whole(desk, desk.jobs.job(job_id))


@get("/v1/jobs/{job_id:int}/why")
async def explain(desk: Desk, job_id: JobId) -> Why:
    """Return why the job is where it is."""
    return views.why(desk, desk.jobs.job(job_id))


@post("/v1/jobs/{job_id:int}/cancel", status_code=200)
async def cancel(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> Job:
    """End the job. One that has ended stays as it is."""
    job = desk.jobs.job(job_id)
    _may_change(owner(request), job)
    if await desk.jobs.intend(job_id, Intent.CANCEL, now=desk.clock.now()):
        desk.nudge(job_id)
    desk.wake()
    desk.bell.ring()
    return views.whole(desk, desk.jobs.job(job_id))


@get("/v1/jobs/{job_id:int}/wait")
async def wait(
    desk: Desk, job_id: JobId, timeout_s: Annotated[float, Parameter(ge=0, le=_LONGEST_WAIT_S)] = 30.0
) -> Job:
    """Return the job as soon as it has ended, or as it is after `timeout_s`."""
    deadline = desk.clock.now() + timeout_s
    while not (job := desk.jobs.job(job_id)).state.is_final:
        left = deadline - desk.clock.now()
        if left <= 0 or desk.bell.is_closed:
            break
        await desk.bell.wait(min(left, _LONGEST_WAIT_S))
    return views.whole(desk, job)


def _may_change(who: Owner, job: Job) -> None:
    if who.uid != 0 and who.user != job.user:
        raise ForbiddenError(f"Job {job.id} belongs to {job.user}; only its owner or root may change it.")


def _shown(text: str) -> str:
    return ascii(text[:64])[1:-1]
