"""Routes that change jobs: hold and release, top, run again, change what is asked for, end.

The number of an array's first task means the whole array, of which those tasks that wait (that have not ended,
to end them) are changed; with `index` it means that one task.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgspec
from litestar import Request, patch, post

from gpuq.errors import ForbiddenError, UnavailableError, UsageError
from gpuq.models import Job, JobSpec, JobState
from gpuq_daemon.api import views
from gpuq_daemon.api.admit import account_for, admitted, check_rules, told_of, with_tasks
from gpuq_daemon.api.caller import Caller, Role, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import Index, JobId, task_of
from gpuq_daemon.api.recording import difference, note
from gpuq_daemon.api.roles import operator
from gpuq_daemon.api.visible import changeable_job
from gpuq_daemon.policy import limits
from gpuq_daemon.policy.lifecycle import Intent
from gpuq_daemon.policy.snapshot import Hold
from gpuq_daemon.store.job_changes import asked_of
from gpuq_job.orders import Order

_FIXED = frozenset({"script_name", "script", "args", "hold", "array", "code", "sweep"})
_CHANGEABLE = {field.name for field in fields(JobSpec)} - _FIXED
_MOST_AT_ONCE = 2**31 - 1
_AT_A_TIME = 200  # jobs that are changed before others have their turn


@post("/v1/jobs/{job_id:int}/cancel", status_code=200)
async def cancel(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None) -> Job:
    """End the job. One that has ended stays as it is; a second time ends one that is given time to stop."""
    jobs = _meant(request, desk, job_id, index)
    note(request, target=_named(jobs), change=f"{jobs[0].state} -> end asked for")
    for begin in range(0, len(jobs), _AT_A_TIME):
        piece = jobs[begin : begin + _AT_A_TIME]
        to_do = await desk.jobs.intend_all([job.id for job in piece], Intent.CANCEL, now=desk.clock.now())
        for job, actions in zip(piece, to_do, strict=True):
            if actions:
                (desk.hurry if job.state is JobState.COMPLETING else desk.nudge)(job.id)
            elif not job.state.is_final:
                desk.removed(job.id)
    desk.wake()
    return _changed(desk, jobs, job_id, index)


@post("/v1/jobs/{job_id:int}/stacks", status_code=200)
async def stacks(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None) -> Job:
    """Have every rank print to its log where each of its threads is; the training goes on meanwhile."""
    changeable_job(request, desk, job_id)
    job = changeable_job(request, desk, task_of(desk, job_id, index))
    note(request, target=_named([job]), change="stacks asked for")
    if job.state is not JobState.RUNNING:
        raise UsageError(f"Job {job.id} is {job.state}: only ranks of a running job can say where they are.")
    if not await desk.order(job.id, Order.STACKS):
        raise UnavailableError(f"Job {job.id} is running, but its driver was not there to hear: ask again in a moment.")
    return views.whole(desk, job)


@post("/v1/jobs/{job_id:int}/hold", status_code=200)
async def hold(
    request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None, as_admin: bool = False
) -> Job:
    """Keep a pending job from starting. An operator's hold on another's job is one that only they release."""
    if as_admin:
        operator(request)
    jobs = _waiting(request, desk, job_id, index)
    kind = Hold.ADMIN if as_admin or jobs[0].user != caller(request).owner.user else Hold.USER
    note(request, target=_named(jobs), change=f"hold -> {kind}")
    await desk.jobs.hold([job.id for job in jobs], kind)
    return _told(desk, jobs, job_id, index)


@post("/v1/jobs/{job_id:int}/release", status_code=200)
async def release(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None) -> Job:
    """Let a held job start."""
    jobs = _waiting(request, desk, job_id, index)
    note(request, target=_named(jobs), change="hold -> none")
    await desk.jobs.release([job.id for job in jobs], is_admin=caller(request).role >= Role.OPERATOR)
    return _told(desk, jobs, job_id, index)


@post("/v1/jobs/{job_id:int}/top", status_code=200)
async def top(request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None, on: bool = True) -> Job:
    """Let a pending job go before everybody, or not any more; only an operator may."""
    operator(request)
    jobs = _waiting(request, desk, job_id, index)
    note(request, target=_named(jobs), change="before everybody" if on else "not before everybody any more")
    await desk.jobs.set_top([job.id for job in jobs], is_top=on)
    return _told(desk, jobs, job_id, index)


@post("/v1/jobs/{job_id:int}/requeue", status_code=200)
async def requeue(
    request: Request[Any, Any, Any], desk: Desk, job_id: JobId, index: Index = None, is_held: bool = False
) -> Job:
    """Let a job run again from its script's beginning: one that runs is ended first.

    Of an array, all tasks that run or have ended; a task that is just ending is left alone.
    """
    jobs = _meant(request, desk, job_id, index)
    if index is None and jobs[0].array_id == job_id:
        tasks = desk.jobs.jobs_of_array(job_id)
        jobs = [task for task in tasks if task.state not in (JobState.PENDING, JobState.COMPLETING)] or jobs[:1]
    note(request, target=_named(jobs), change=f"{jobs[0].state} -> run again{', held' if is_held else ''}")
    for job in jobs:
        _check_still_allowed(desk, job)
    for job in jobs:
        if await desk.jobs.requeue(job.id, is_held=is_held):
            desk.nudge(job.id)
        else:
            desk.submitted([job.id])
    return _changed(desk, jobs, job_id, index)


@patch("/v1/jobs/{job_id:int}")
async def update(
    request: Request[Any, Any, Any], desk: Desk, job_id: JobId, data: dict[str, Any], index: Index = None
) -> Job:
    """Change fields of a pending job, by their names in `JobSpec`; `throttle` is that of its whole array."""
    who = caller(request)
    if not data:
        raise UsageError("Nothing to change: name a field and its new value.")
    jobs = _waiting(request, desk, job_id, index)
    throttle = _throttle(jobs[0], data)
    wanted = {
        number: (before, with_tasks(desk, spec))
        for number, (before, spec) in _wanted(desk.jobs.specs([job.id for job in jobs]), data).items()
    }
    before, after = next(iter(wanted.values()))
    note(request, target=_named(jobs), change=difference(before, after) or f"throttle -> {data.get('throttle')}")
    asked: dict[int, dict[str, Any]] = {}
    seen: dict[JobSpec, dict[str, Any]] = {}
    for number, (before, spec) in wanted.items():
        spec = _told_of(desk, who, before, spec, jobs[0].user)
        if spec not in seen:
            # A nice value below 0 that an operator gave stays where it is not what is changed.
            checked = spec if spec.nice != before.nice else replace(spec, nice=max(spec.nice, 0))
            let_in = await admitted(desk, who, checked, for_user=jobs[0].user)
            await desk.submit_filter.filtered(spec, jobs[0].user, "update")
            seen[spec] = asked_of(
                spec, name=let_in.name, partition=let_in.partition, account=let_in.account, qos=let_in.qos
            )
        asked[number] = seen[spec]
    await desk.jobs.update(asked, throttle=throttle, user=jobs[0].user)
    if throttle is not None:
        desk.bell.ring(*desk.jobs.tasks(throttle[0]).values())
        desk.rules_changed()  # it is a limit of all its tasks, of those that run too
    return _told(desk, jobs, job_id, index)


def _told_of(desk: Desk, who: Caller, before: JobSpec, spec: JobSpec, user: str) -> JobSpec:
    """Return the changed job as it is told of; by which ways is its owner's to say: a command runs as the owner.

    Raises:
        ForbiddenError: somebody else changes the ways.
        UsageError: the site does not tell by one of them, or a word is no event.
    """
    if (spec.notify, spec.notify_to) == (before.notify, before.notify_to):
        return spec
    if spec.notify_to != before.notify_to and who.owner.user != user:
        raise ForbiddenError(f"By which ways {user} is told of jobs is {user}'s own to say.")
    return told_of(desk, spec, user)


def _wanted(specs: dict[int, JobSpec], data: dict[str, Any]) -> dict[int, tuple[JobSpec, JobSpec]]:
    """Return by job what it asked for and what it shall ask for."""
    changes = {name: value for name, value in data.items() if name != "throttle"}
    unknown = sorted(changes.keys() - _CHANGEABLE)
    if unknown:
        raise UsageError(
            f"{unknown[0][:40]!a} of a job cannot be changed; what can is {', '.join(sorted(_CHANGEABLE))}."
        )
    known = {field.name: field for field in fields(JobSpec)}
    made: dict[int, tuple[JobSpec, JobSpec]] = {}
    for job_id, spec in specs.items():
        values = {name: getattr(spec, name) for name in known} | changes
        try:
            made[job_id] = spec, msgspec.convert(values, JobSpec)
        except msgspec.ValidationError as error:
            raise UsageError(f"{error}.") from error
    return made


def _throttle(job: Job, data: dict[str, Any]) -> tuple[int, int | None] | None:
    """Return (array, tasks at once) if that is to be changed; 0 or nothing lets all run."""
    if "throttle" not in data:
        return None
    at_once: Any = data["throttle"]
    if job.array_id is None:
        raise UsageError(f"Job {job.id} is no array: only an array has a throttle.")
    if at_once is not None and (type(at_once) is not int or not 0 <= at_once <= _MOST_AT_ONCE):
        raise UsageError("The throttle must be a whole number: how many tasks may run at once, 0 for all.")
    return job.array_id, at_once or None


def _meant(request: Request[Any, Any, Any], desk: Desk, job_id: int, index: int | None) -> list[Job]:
    """Return the job, the one task, or all tasks that have not ended.

    Raises:
        NotFoundError: there is no such job or task, or none that is theirs to see.
        ForbiddenError: it is somebody else's.
    """
    changeable_job(request, desk, job_id)
    job = changeable_job(request, desk, task_of(desk, job_id, index))
    if index is not None or job.array_id != job.id:
        return [job]
    return [task for task in desk.jobs.jobs_of_array(job.id) if not task.state.is_final] or [job]


def _waiting(request: Request[Any, Any, Any], desk: Desk, job_id: int, index: int | None) -> list[Job]:
    """Return what is meant, of an array those tasks that wait if any do."""
    jobs = _meant(request, desk, job_id, index)
    return [job for job in jobs if job.state is JobState.PENDING] or jobs[:1]


def _named(jobs: list[Job]) -> str:
    """Return what a record calls these jobs, and whose they are."""
    first, more = jobs[0], f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return f"job {first.id}{more} of {first.user}"


def _told(desk: Desk, jobs: list[Job], job_id: int, index: int | None) -> Job:
    """Tell the scheduler of changed jobs, and return what was named."""
    for job in jobs:
        desk.changed(job.id)
    return _changed(desk, jobs, job_id, index)


def _changed(desk: Desk, jobs: list[Job], job_id: int, index: int | None) -> Job:
    desk.bell.ring(*(job.id for job in jobs))
    return views.whole(desk, desk.jobs.job(task_of(desk, job_id, index)))


def _check_still_allowed(desk: Desk, job: Job) -> None:
    """Check that an ended job's account, QOS and reservation are still there for it, and that it could end in time."""
    if job.state.is_final:
        if job.deadline is not None and job.deadline - (job.time_limit_s or 0) < desk.clock.now():
            raise UsageError(f"Job {job.id} cannot run again: it could not end by its deadline.")
        account = account_for(desk.accounts.tree(), job.user, job.account)
        check_rules(desk, desk.jobs.specs([job.id])[job.id], limits.Owner(job.user, account, job.qos), job.partition)
