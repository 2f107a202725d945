"""The route from whatever a person has in hand to the job it is of."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import Job
from gpuq.text import clean, fit
from gpuq.tracing import Trace, Traced, TracedPod
from gpuq.units import moment
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.looking_up import attempts_of, nobodys
from gpuq_daemon.handles import Handle, readings
from gpuq_daemon.store.pods import PodRow
from gpuq_daemon.store.tracing import MOST, Found

_FORMS = (
    "a job, pod, namespace/pod, uid, container, application, app/executor, host:pid, gpu:host/3, GPU-..., node, or path"
)


@get("/v1/trace")
async def trace(
    request: Request[Any, Any, Any],
    desk: Desk,
    handle: Annotated[str, Parameter(min_length=1, max_length=4096, description=f"What it is about: {_FORMS}.")],
) -> Traced:
    """Return the attempts that a handle leads to, each from its account down to its processes, pods and GPUs.

    What is there now comes first, then the newest. 404 says what was looked through, and since when.
    """
    named = f"'{fit(clean(handle), 60)}'"
    who = caller(request)
    looked = [_traced(desk, who, handle, reading) for reading in readings(handle)]
    if not looked:
        raise UsageError(f"{named} has no form that can be traced: give {_FORMS}.")
    if found := [one for one in looked if one.traces]:
        return _together(found)
    if known := next((one for one in looked if one.is_known), None):
        return known
    raise NotFoundError(f"Nothing that is known belongs to {named}. {_searched(desk, looked)}")


def _traced(desk: Desk, who: Caller, text: str, handle: Handle) -> Traced:
    found = attempts_of(desk, handle)
    told = found[: MOST - 1]
    jobs = {job.id: job for job in desk.jobs.jobs_of({each.job_id for each in told})}
    traces = [
        one
        for each in told
        if (job := jobs.get(each.job_id)) is not None and (one := _trace(desk, who, handle, each, job)) is not None
    ]
    unheld = None if found else nobodys(desk, handle)
    return Traced(
        handle=text,
        kind=handle.kind,
        traces=tuple(traces),
        searched=_article(handle.kind) if unheld is None else unheld,
        left_out=max(0, len(found) - (MOST - 1)),
        is_known=unheld is not None,
    )


def _together(found: list[Traced]) -> Traced:
    """Return one answer for all that a handle may mean, each attempt once."""
    traces = {(trace.job_id, trace.attempt): trace for one in reversed(found) for trace in one.traces}
    first = [(trace.job_id, trace.attempt) for one in found for trace in one.traces]
    return replace(
        found[0],
        kind=" or ".join(one.kind for one in found),
        traces=tuple(traces[key] for key in dict.fromkeys(first)),
        searched="",
        left_out=sum(one.left_out for one in found),
    )


def _searched(desk: Desk, looked: list[Traced]) -> str:
    since = desk.traces.since()
    kept = "nothing yet" if since is None else f"all attempts since {moment(since)}"
    words = [one.searched for one in looked]
    return f"Looked for {', '.join(words[:-1])}{' and ' if words[:-1] else ''}{words[-1]} among {kept}."


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'ae' else 'a'} {kind}"


def _trace(desk: Desk, who: Caller, handle: Handle, found: Found, job: Job) -> Trace | None:
    """Return an attempt with all that it consists of; None if there is none, or none that is theirs to see."""
    if not who.may_see(job.user):
        return None
    row = desk.traces.attempt(job.id, found.attempt)
    if row is None and found.attempt != max(1, job.attempt):
        return None
    return Trace(
        job_id=job.id,
        name=job.name,
        user=job.user,
        account=job.account,
        state=job.state,
        attempt=found.attempt if row is not None else 0,
        matched=_matched(handle, found),
        rank=found.rank,
        application_id=None if row is None else row.application_id,
        driver_pid=None if row is None else row.driver_pid,
        started_at=None if row is None else row.started_at,
        ended_at=None if row is None else row.ended_at,
        end_reason=None if row is None else row.end_reason,
        log_uri=_log_uri(desk, job, found.attempt) if row is not None else None,
        array_id=job.array_id,
        array_index=job.array_index,
        ranks=tuple(desk.traces.ranks(job.id, found.attempt)),
        pods=tuple(traced_pod(pod) for pod in desk.pods.of_job(job.id, found.attempt)),
    )


def _matched(handle: Handle, found: Found) -> str:
    return f"{handle.kind}" if found.rank is None else f"{handle.kind}, rank {found.rank}"


def _log_uri(desk: Desk, job: Job, attempt: int) -> str | None:
    return job.log_uri if attempt == job.attempt else f"file://{desk.place(job.id, attempt).folder}"


def traced_pod(row: PodRow) -> TracedPod:
    """Return a pod as everybody sees it who may see its job."""
    known = asdict(row)
    return TracedPod(**{name: known[name] for name in TracedPod.__dataclass_fields__})
