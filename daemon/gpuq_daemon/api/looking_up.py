"""Which attempts a handle leads to: what runs now by what gpuqd sees, the rest by what is kept."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gpuq.errors import NotFoundError
from gpuq.gpus import Gpu
from gpuq.models import Node
from gpuq.units import parse_task
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.handles import Handle, Kind, job_in_path
from gpuq_daemon.processes import identify
from gpuq_daemon.store.tracing import MOST, Found
from gpuq_job.process_tree import attempt_of

_HERE = ("localhost", "127.0.0.1", "::1")


def attempts_of(desk: Desk, handle: Handle) -> list[Found]:
    """Return the attempts that a handle leads to, each once: what is there now, then the newest."""
    return list(dict.fromkeys(_found(desk, handle)))


def nobodys(desk: Desk, handle: Handle) -> str | None:
    """Return what to say of a node or GPU that there is and that no attempt has or had; None of all else."""
    match handle.kind:
        case Kind.NODE if nodes := _nodes(desk, handle.name):
            return f"Node {nodes[0].name} is {'up' if nodes[0].is_up else 'down'}; no job runs or ran there."
        case Kind.GPU if cells := _cells(desk, handle):
            return f"GPU {handle.name} of {cells[0].node} is {cells[0].state}; no job has or had it."
        case _:
            return None


def _found(desk: Desk, handle: Handle) -> Sequence[Found]:
    name, place = handle.name, handle.place
    match handle.kind:
        case Kind.JOB:
            number, index = parse_task(name)
            return _of_job(desk, _task(desk, number, index))
        case Kind.ARRAY:
            tasks = [task.id for task in desk.jobs.jobs_of_array(int(name))]
            return [one for task in tasks[:MOST] for one in _of_job(desk, task)[:1]]
        case Kind.JOB_NAME:
            return desk.traces.of_job_name(name)
        case Kind.APPLICATION:
            return desk.traces.of_application(name)
        case Kind.EXECUTOR if name == "driver":
            return desk.traces.of_application(place or "")
        case Kind.EXECUTOR:
            return desk.traces.of_executor(place or "", name)
        case Kind.PROCESS:
            return _of_process(desk, place or "", int(name))
        case Kind.YARN_CONTAINER:
            return desk.traces.of_yarn_container(name, place or "")
        case Kind.NODE:
            return _of_node(desk, name)
        case Kind.GPU:
            return _of_gpu(desk, handle)
        case Kind.CONTAINER:
            return desk.traces.of_container(name)
        case Kind.POD:
            return desk.traces.of_pod_uid(name) if place == "uid" else desk.traces.of_pod(name, place)
        case Kind.PATH:
            there = job_in_path(name, _roots(desk))
            if there is None:
                return []
            job_id, attempt = there
            return _of_job(desk, job_id) if attempt is None else [Found(job_id=job_id, attempt=attempt)]


def _of_process(desk: Desk, place: str, pid: int) -> list[Found]:
    """Return whose a process is. One that lives on this machine is known by its start: its number may have been used.

    By its mark it is known too, if it is only a child of a rank or an executor.
    """
    is_here = _is_here(desk, place)
    alive = identify(pid) if is_here else None
    if alive is None:
        return [*desk.traces.of_process(place, pid), *(desk.traces.of_driver(pid) if is_here else [])]
    found = desk.traces.of_identity(pid, alive.start_time, alive.boot_id)
    token = attempt_of(pid)
    return found or ([] if token is None else desk.traces.of_token(token))


def _is_here(desk: Desk, place: str) -> bool:
    """Whether a host or node is the machine that gpuqd runs on."""
    hosts = {node.host for node in _nodes(desk, place)}
    return not {place, *hosts}.isdisjoint((*_HERE, socket.gethostname()))


def _nodes(desk: Desk, place: str) -> list[Node]:
    return [node for node in desk.cluster().nodes if place in (node.name, node.host)]


def _of_node(desk: Desk, name: str) -> list[Found]:
    now = dict.fromkeys(job_id for node in _nodes(desk, name) for job_id in node.job_ids)
    jobs = desk.jobs.jobs_of(list(now)[:MOST])
    return [*(Found(job_id=job.id, attempt=max(1, job.attempt)) for job in jobs), *desk.traces.of_node(name)]


def _of_gpu(desk: Desk, handle: Handle) -> list[Found]:
    """Return who has a GPU by the map of now, then who has had it by its name."""
    cells = _cells(desk, handle)
    holders = {job.id: max(1, job.attempt) for job in desk.jobs.jobs_of({c.job_id for c in cells if c.job_id})}
    held = [
        Found(job_id=cell.job_id, attempt=holders[cell.job_id], rank=cell.rank)
        for cell in cells
        if cell.job_id is not None and cell.job_id in holders
    ]
    names = {handle.name, *(name for cell in cells for name in (cell.name, cell.uuid) if name is not None)}
    places = {cell.node for cell in cells} if handle.place is not None else {None}
    return [*held, *(one for place in places or {handle.place} for one in desk.traces.of_gpu(names, place))]


def _cells(desk: Desk, handle: Handle) -> list[Gpu]:
    """Return the GPUs of now that a handle may mean: by their names, else by their places on a node."""
    name, place = handle.name.removeprefix("#"), handle.place
    nodes = None if place is None else {node.name for node in _nodes(desk, place)}
    there = [gpu for gpu in desk.gpus() if nodes is None or gpu.node in nodes]
    named = [gpu for gpu in there if name in (gpu.name, gpu.uuid)]
    return named or ([] if nodes is None else [gpu for gpu in there if str(gpu.place) == name])


def _task(desk: Desk, number: int, index: int | None) -> int:
    if index is None:
        return number
    tasks = desk.jobs.jobs_of_array(number)
    return next((task.id for task in tasks if task.array_index == index), 0)


def _of_job(desk: Desk, job_id: int) -> list[Found]:
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
