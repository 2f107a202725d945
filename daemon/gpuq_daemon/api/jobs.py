"""Routes that tell about jobs: list them, ask why, wait for one."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.models import Job, PriorityTerm, Why
from gpuq_daemon.api import views
from gpuq_daemon.api.desk import Desk

JobId = Annotated[int, Parameter(ge=1, lt=2**62)]
_LONGEST_WAIT_S = 60.0


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


@get("/v1/jobs/{job_id:int}")
async def show(desk: Desk, job_id: JobId) -> Job:
    """Return one job."""
    return views.whole(desk, desk.jobs.job(job_id))


@get("/v1/jobs/{job_id:int}/why")
async def explain(desk: Desk, job_id: JobId) -> Why:
    """Return why the job is where it is."""
    return views.why(desk, desk.jobs.job(job_id))


@get("/v1/jobs/{job_id:int}/priority")
async def priority(desk: Desk, job_id: JobId) -> list[PriorityTerm]:
    """Return every term of a pending job's priority; nothing for one that does not wait."""
    desk.jobs.job(job_id)
    try:
        return list(desk.terms(job_id))
    except KeyError:
        return []


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
