"""Routes that tell about jobs: list them, ask why, wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError
from gpuq.models import Cluster, Job, JobSpec, JobState, PriorityTerm, Reason, Why
from gpuq_daemon.api import views
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.visible import changeable_job, may_see, seen_cluster, seen_why, visible_job
from gpuq_daemon.feed.position import parse_position

JobId = Annotated[int, Parameter(ge=1, lt=2**62)]
_LONGEST_WAIT_S = 60.0
_MOST_ROWS = 10_000


Index = Annotated[int | None, Parameter(ge=0, description="This task of the array only.")]


def task_of(desk: Desk, job_id: int, index: int | None) -> int:
    """Return the job of an array's task `index`; the job itself where that is None.

    Raises:
        NotFoundError: there is no such task, or no such job.
    """
    if index is None:
        return job_id
    tasks = desk.jobs.tasks(job_id)
    if index not in tasks:
        desk.jobs.job(job_id)
        raise NotFoundError(f"Array {job_id} has no task {index}." if tasks else f"Job {job_id} is no array.")
    return tasks[index]


class Jobs(Struct):
    """Jobs by id.

    `seq` is where the events stood: give it as `since`, or to `/v1/events` as `Last-Event-ID`, for what changes
    from then on. `is_whole` False: these are only the jobs that changed since, and `removed` those that are not in
    the list any more (or never were). `next_cursor` is there if more follow.
    """

    jobs: list[Job]
    seq: str
    is_whole: bool = True
    removed: list[int] = []
    next_cursor: str | None = None


class Pending(Struct):
    """Pending jobs by column, in the order of their ids; the columns are named as the fields of `Job`."""

    id: list[int]
    name: list[str]
    user: list[str]
    partition: list[str]
    gpus: list[int]
    submitted_at: list[float]
    reason: list[Reason]
    array_id: list[int | None]
    array_index: list[int | None]
    throttle: list[int | None]
    p50_at: list[float | None]
    p90_at: list[float | None]


class Queue(Struct):
    """The cluster, the jobs that hold its GPUs, and those that wait."""

    cluster: Cluster
    jobs: list[Job]
    pending: Pending


@get("/v1/jobs")
async def list_jobs(
    request: Request[Any, Any, Any],
    desk: Desk,
    everything: Annotated[bool, Parameter(query="all", description="Jobs that have ended too.")] = False,
    user: Annotated[str | None, Parameter(max_length=64, description="Only this user's.")] = None,
    array: Annotated[int | None, Parameter(ge=1, lt=2**62, description="Only the tasks of this array.")] = None,
    since: Annotated[str | None, Parameter(max_length=64, description="Only what changed since this `seq`.")] = None,
    limit: Annotated[int | None, Parameter(ge=1, le=10_000, description="At most so many, the oldest first.")] = None,
    cursor: Annotated[
        str | None, Parameter(pattern="^[0-9]{1,18}$", description="The `next_cursor` of the answer before.")
    ] = None,
) -> Jobs:
    """Return the jobs that have not ended, or all that are kept; without a limit the newest 10 000.

    Those who see what is their own get no others.
    """
    who = caller(request)
    if user is None and not who.sees_all:
        user = who.owner.user
    if since is not None:
        await desk.feed.warm_up()
        changed = _changed_since(desk, since)
        if changed is not None:
            return _only(desk, who, changed, everything=everything, user=user, array=array)
    seq = str(desk.feed.position)
    if limit is None and cursor is None:
        if not everything and array is None:
            begin, end = msgspec.json.encode(Jobs([], seq)).split(b"[]", 1)
            text = b"".join((begin, *desk.listing.jobs(user, _sees(who)), end))
            return Response(text, media_type="application/json")  # pyright: ignore[reportReturnType] - `Jobs` as JSON
        return Jobs(_seen(desk, who, desk.jobs.jobs(everything=everything, user=user, array_id=array)), seq)
    most = _MOST_ROWS if limit is None else limit
    found = desk.jobs.jobs_after(int(cursor or 0), everything=everything, user=user, array_id=array, limit=most)
    more = str(found[-1].id) if len(found) == most else None
    return Jobs(_seen(desk, who, found), seq, next_cursor=more)


def _changed_since(desk: Desk, since: str) -> set[int] | None:
    seen = parse_position(since)
    return None if seen is None else desk.feed.changed_since(seen)


def _only(desk: Desk, who: Caller, changed: set[int], *, everything: bool, user: str | None, array: int | None) -> Jobs:
    """Return what a list that was had before lacks."""
    seq = str(desk.feed.position)
    there = desk.jobs.jobs_of(changed)
    hidden = {job.id for job in there if not may_see(who, job.user)}
    rows = [job for job in there if (everything or not job.state.is_final) and (array is None or job.array_id == array)]
    seen = _seen(desk, who, [job for job in rows if user is None or job.user == user])
    return Jobs(seen, seq, is_whole=False, removed=sorted(changed - hidden - {job.id for job in seen}))


def _seen(desk: Desk, who: Caller, jobs: list[Job]) -> list[Job]:
    return [views.whole(desk, job) for job in jobs if may_see(who, job.user)]


def _sees(who: Caller) -> Callable[[str], bool] | None:
    """Return whose jobs are shown, None for everybody's."""
    return None if who.sees_all else lambda user: may_see(who, user)


@get("/v1/queue")
async def table(
    request: Request[Any, Any, Any],
    desk: Desk,
    user: Annotated[str | None, Parameter(max_length=64, description="Only this user's.")] = None,
) -> Queue:
    """Return what a table of the queue shows, with the cluster: less than all of every job."""
    who = caller(request)
    return Queue(cluster=seen_cluster(who, desk, desk.cluster()), **desk.listing.table(user, _sees(who)))


@get("/v1/jobs/{job_id:int}")
async def show(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None) -> Job:
    """Return one job, or one task of an array."""
    job = views.whole(desk, visible_job(request, desk, task_of(desk, job_id, index)))
    return await asyncio.to_thread(views.in_full, desk, job)


@get("/v1/jobs/{job_id:int}/spec")
async def spec(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None) -> JobSpec:
    """Return what a job asked for, its script and the files beside it included; for its owner and operators."""
    changeable_job(request, desk, job_id)
    job = changeable_job(request, desk, task_of(desk, job_id, index))
    return desk.jobs.specs((job.id,))[job.id]


@get("/v1/jobs/{job_id:int}/why")
async def explain(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    at: Annotated[float | None, Parameter(ge=0, le=1e12, description="Where it was then, from the record.")] = None,
) -> Why:
    """Return why the job is where it is, or was."""
    job = visible_job(request, desk, job_id)
    if at is not None:
        return seen_why(caller(request), desk, await desk.record.why(at, job_id, desk.gpu_kind(job.partition)))
    return seen_why(caller(request), desk, views.why(desk, job))


@get("/v1/jobs/{job_id:int}/when")
async def when(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> Why:
    """Return when the job will start, as `why` does; where nothing is known of that, it is estimated first."""
    job = visible_job(request, desk, job_id)
    if job.state is JobState.PENDING and desk.estimate(job_id) is None:
        await desk.ahead.now()
        job = desk.jobs.job(job_id)
    return seen_why(caller(request), desk, views.why(desk, job))


@get("/v1/jobs/{job_id:int}/priority")
async def priority(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> list[PriorityTerm]:
    """Return every term of a pending job's priority; nothing for one that does not wait."""
    visible_job(request, desk, job_id)
    try:
        return list(desk.terms(job_id))
    except KeyError:
        return []


@get("/v1/jobs/{job_id:int}/wait")
async def wait(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    timeout_s: Annotated[float, Parameter(ge=0, le=_LONGEST_WAIT_S)] = 30.0,
) -> Job:
    """Return the job as soon as it has ended, or as it is after `timeout_s`."""
    deadline = desk.clock.uptime() + timeout_s
    while not (job := visible_job(request, desk, job_id)).state.is_final:
        left = deadline - desk.clock.uptime()
        if left <= 0 or desk.bell.is_closed:
            break
        await desk.bell.wait(min(left, _LONGEST_WAIT_S))
    return views.whole(desk, job)
