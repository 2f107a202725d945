"""Routes that queue a job, or say what would become of it."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import Parameter

from gpuq.errors import UsageError
from gpuq.models import Job, JobSpec, Why
from gpuq.text import clean, fit
from gpuq_daemon.api import views
from gpuq_daemon.api.admit import admitted, check_queue, given_by_site, with_defaults, with_tasks
from gpuq_daemon.api.caller import Asking, Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.keys import KEY, key_of
from gpuq_daemon.api.recording import note
from gpuq_daemon.api.visible import seen_why
from gpuq_daemon.policy.admission import gang_of
from gpuq_daemon.policy.snapshot import Hold, PendingJob
from gpuq_daemon.space import refuse_if_short
from gpuq_daemon.store.jobs import as_job, as_pending

_KNOWN = frozenset(field.name for field in fields(JobSpec))
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


@post("/v1/jobs")
async def enqueue(
    request: Request[Any, Any, Any],
    desk: Desk,
    data: JobSpec,
    idempotency_key: Annotated[
        str | None,
        Parameter(
            header="Idempotency-Key", pattern=KEY, description="A request that is sent again queues no second job."
        ),
    ] = None,
) -> Job:
    """Queue a job, or an array of which the first task is returned; it is durable when this is answered.

    Sent again with the same `Idempotency-Key` within a day, it returns the job that was queued then, as it is now.
    """
    _refuse_unknown(await request.body())
    return await queue(desk, request, data, idempotency_key)


async def queue(desk: Desk, request: Asking, data: JobSpec, idempotency_key: str | None) -> Job:
    """Queue what `request` asks for, and return it as the route does.

    Raises:
        GpuqError: it is not let in; nothing is queued.
    """
    who = caller(request)
    key = key_of(who.owner, idempotency_key, data)
    if key is None or (before := desk.jobs.queued_with(key)) is None:
        refuse_if_short(desk.shortage())
        asked = await admitted(desk, who, with_tasks(desk, await _site_wants(desk, who, data)))
        entry = note(request, change=f"{asked.name!r} in {asked.partition}, {asked.account}")
        entry.target_of = _told
        now = desk.clock.now()
        ids = await desk.jobs.add_all(asked, now=now, admit=partial(check_queue, desk, asked), key=key)
        if ids:
            job = as_pending(asked, ids[0], now)
            desk.submitted(ids if job is None else (job,))
            desk.bell.ring(*ids)
            return as_job(asked, ids[0], now, gpu_kind=desk.gpu_kind(asked.partition))
        before = None if key is None else desk.jobs.queued_with(key)  # the same request was quicker on another way
    assert before is not None
    note(request, target=f"job {before}", change="asked for again")
    return views.whole(desk, desk.jobs.job(before))


async def _site_wants(desk: Desk, who: Caller, data: JobSpec) -> JobSpec:
    """Return the job with the site's defaults, and as its filter lets it in."""
    user = who.owner.user
    return await desk.submit_filter.filtered(with_defaults(desk, user, data), user, "submit")


def _told(ids: range) -> str:
    if not ids:
        return "job that another request has queued"
    return f"job {ids[0]}" if len(ids) == 1 else f"jobs {ids[0]}-{ids[-1]}"


@post("/v1/jobs/test", status_code=200)
async def test(
    request: Request[Any, Any, Any],
    desk: Desk,
    data: JobSpec,
    estimate: Annotated[bool, Parameter(description="Estimate its start too, which takes seconds.")] = False,  # noqa: PT028 - a route
) -> Why:
    """Return when the job would start, of an array its first task, and what would make it fail; nothing is queued."""
    _refuse_unknown(await request.body())
    given = given_by_site(desk, caller(request).owner.user, data)
    data = with_tasks(desk, await _site_wants(desk, caller(request), data))
    asked = await admitted(desk, caller(request), data)
    data = asked.spec
    index = None if asked.array is None else asked.array.indices[0]
    job_id = desk.jobs.next_id()
    job = PendingJob(
        job_id=job_id,
        user=asked.owner.user,
        partition=asked.partition,
        submitted_at=desk.clock.now(),
        gang=gang_of(data),
        account=asked.account,
        qos=asked.qos,
        name=asked.name,
        time_limit_s=data.time_limit_s,
        nice=data.nice,
        hold=Hold.USER if data.hold else None,
        begin_at=data.begin_at,
        deadline=data.deadline,
        dependencies=await desk.jobs.understood(data.dependency, index),
        reservation=data.reservation,
        array_id=None if asked.array is None else job_id,
        throttle=None if asked.array is None else asked.array.throttle,
    )
    why = desk.test_start(job, desk.gpu_kind(asked.partition))
    if estimate and why.reason is not None:
        why = views.estimated(why, await desk.ahead.estimate_with(job))
    found = await asyncio.to_thread(desk.hindrances, asked.partition)
    return seen_why(caller(request), desk, replace(why, hindrances=found, given=given))


def unknown_fields(body: bytes) -> set[str]:
    """Return which of the fields in a request's body a job does not have."""
    return _NAMES.decode(body).keys() - _KNOWN


def _refuse_unknown(body: bytes) -> None:
    """Check that nothing is asked for that a job does not have: what is misspelt must not be left out in silence."""
    if unknown := sorted(unknown_fields(body)):
        raise UsageError(f"A job has no field '{fit(clean(unknown[0]), 40)}': use {', '.join(sorted(_KNOWN))}.")
