"""Routes that queue a job, or say what would become of it."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any

import msgspec
from litestar import Request, post

from gpuq.errors import UsageError
from gpuq.models import Job, JobSpec, Why
from gpuq.text import clean, fit
from gpuq_daemon.api import views
from gpuq_daemon.api.admit import admitted, check_queue
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.peer import owner
from gpuq_daemon.policy.admission import gang_of
from gpuq_daemon.policy.snapshot import Hold, PendingJob
from gpuq_daemon.store.jobs import as_job

_KNOWN = frozenset(field.name for field in fields(JobSpec))
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


@post("/v1/jobs")
async def enqueue(request: Request[Any, Any, Any], desk: Desk, data: JobSpec) -> Job:
    """Queue a job, or an array of which the first task is returned; it is durable when this is answered."""
    _refuse_unknown(await request.body())
    asked = await admitted(desk, owner(request), data)
    now = desk.clock.now()
    ids = await desk.jobs.add_all(asked, now=now, admit=partial(check_queue, desk, asked))
    desk.submitted(ids)
    desk.bell.ring()
    return views.whole(desk, as_job(asked, ids[0], now), is_new=True)


@post("/v1/jobs/test", status_code=200)
async def test(request: Request[Any, Any, Any], desk: Desk, data: JobSpec) -> Why:
    """Return when the job would start, of an array its first task; nothing is queued."""
    _refuse_unknown(await request.body())
    asked = await admitted(desk, owner(request), data)
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
    return desk.test_start(job, desk.gpu_kind(asked.partition))


def _refuse_unknown(body: bytes) -> None:
    """Check that nothing is asked for that a job does not have: what is misspelt must not be left out in silence."""
    unknown = sorted(_NAMES.decode(body).keys() - _KNOWN)
    if unknown:
        raise UsageError(f"A job has no field '{fit(clean(unknown[0]), 40)}': use {', '.join(sorted(_KNOWN))}.")
