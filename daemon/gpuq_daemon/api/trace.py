"""The route from whatever a person has in hand to the job it is of."""

from __future__ import annotations

import socket
from dataclasses import asdict
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import Job
from gpuq.text import clean, fit
from gpuq.tracing import Trace, Traced, TracedPod
from gpuq.units import moment, parse_task
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.handles import Handle, Kind, job_in_path, readings
from gpuq_daemon.processes import identify
from gpuq_daemon.store.pods import PodRow
from gpuq_daemon.store.tracing import MOST, Found
from gpuq_job.process_tree import attempt_of

_FORMS = (
    "a job, pod, namespace/pod, uid, container, application, app/executor, host:pid, gpu:host/3, GPU-..., or a path"
)

_HERE = ("localhost", "127.0.0.1", "::1")
_ARTICLES = dict.fromkeys("ae", "an")


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
    who, looked = caller(request), list[str]()
    for reading in readings(handle):
        traced = _traced(desk, who, handle, reading)
        if traced.traces:
            return traced
        looked.append(traced.searched)
    if not looked:
        raise UsageError(f"{named} has no form that can be traced: give {_FORMS}.")
    raise NotFoundError(f"Nothing that is known belongs to {named}. {' '.join(looked)}")


def _traced(desk: Desk, who: Caller, text: str, handle: Handle) -> Traced:
    found = list(dict.fromkeys(_found(desk, handle)))
    told = found[: MOST - 1]
    jobs = {job.id: job for job in desk.jobs.jobs_of({each.job_id for each in told})}
    traces = [
        one
        for each in told
        if (job := jobs.get(each.job_id)) is not None and (one := _trace(desk, who, handle, each, job)) is not None
    ]
    since = desk.traces.since()
    kept = "nothing yet" if since is None else f"all attempts since {moment(since)}"
    return Traced(
        handle=text,
        kind=handle.kind,
        traces=tuple(traces),
        searched=f"Looked for {_ARTICLES.get(handle.kind[:1], 'a')} {handle.kind} among {kept}.",
        left_out=max(0, len(found) - (MOST - 1)),
    )


def _found(desk: Desk, handle: Handle) -> list[Found]:
    """Return the attempts that a handle leads to."""
    name, place = handle.name, handle.place
    match handle.kind:
        case Kind.JOB:
            number, index = parse_task(name)
            return _attempts_of(desk, _task(desk, number, index))
        case Kind.APPLICATION:
            return desk.traces.of_application(name)
        case Kind.EXECUTOR:
            return desk.traces.of_executor(place or "", name)
        case Kind.PROCESS:
            return _of_process(desk, place or "", int(name))
        case Kind.YARN_CONTAINER:
            return desk.traces.of_yarn_container(name, place or "")
        case Kind.GPU:
            return desk.traces.of_gpu(name, place)
        case Kind.CONTAINER:
            return desk.traces.of_container(name)
        case Kind.POD:
            return desk.traces.of_pod_uid(name) if place == "uid" else desk.traces.of_pod(name, place)
        case Kind.PATH:
            there = job_in_path(name, _roots(desk))
            if there is None:
                return []
            job_id, attempt = there
            return _attempts_of(desk, job_id) if attempt is None else [Found(job_id=job_id, attempt=attempt)]


def _of_process(desk: Desk, place: str, pid: int) -> list[Found]:
    """Return whose a process is. One that lives on this machine is known by its start: its number may have been used.

    By its mark it is known too, if it is only a child of a rank or an executor.
    """
    alive = identify(pid) if _is_here(desk, place) else None
    if alive is None:
        return desk.traces.of_process(place, pid)
    found = desk.traces.of_identity(pid, alive.start_time, alive.boot_id)
    token = attempt_of(pid)
    return found or ([] if token is None else desk.traces.of_token(token))


def _is_here(desk: Desk, place: str) -> bool:
    """Whether a host or node is the machine that gpuqd runs on."""
    hosts = {node.host for node in desk.cluster().nodes if node.name == place}
    return not {place, *hosts}.isdisjoint((*_HERE, socket.gethostname()))


def _task(desk: Desk, number: int, index: int | None) -> int:
    if index is None:
        return number
    tasks = desk.jobs.jobs_of_array(number)
    return next((task.id for task in tasks if task.array_index == index), 0)


def _attempts_of(desk: Desk, job_id: int) -> list[Found]:
    try:
        newest = desk.jobs.job(job_id).attempt
    except NotFoundError:
        return []
    return [Found(job_id=job_id, attempt=number) for number in range(max(newest, 1), max(0, newest - MOST), -1)]


def _roots(desk: Desk) -> tuple[str, ...]:
    """Return the folders and addresses that have a folder for each job."""
    jobs, config = str(desk.config.jobs), desk.config
    carried = {config.log_uri, *(partition.log_uri for partition in config.partition.values())}
    return (jobs, f"file://{jobs}", *(uri for uri in carried if uri is not None))


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
