"""Routes about the event files of a job, for programs that read such files themselves: TensorBoard on another host."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError
from gpuq.summaries import EventFile
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.series import Attempt
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.collectors import samples
from gpuq_daemon.files.found import Found
from gpuq_daemon.files.local import LocalFiles
from gpuq_daemon.places import Place
from gpuq_daemon.series.points import FilePosition

_MOST_BYTES = 4 * 1024 * 1024
_ANSWERS = {
    200: ResponseSpec(
        data_container=bytes, description="The bytes.", media_type="application/octet-stream", generate_examples=False
    )
}


class EventFiles(Struct):
    """Event files of one attempt, by path."""

    attempt: int
    files: list[EventFile]


@get("/v1/jobs/{job_id:int}/event-files")
async def list_event_files(
    request: Request[Any, Any, Any], desk: Desk, job_id: JobId, attempt: Attempt = None
) -> EventFiles:
    """Return an attempt's event files, of the newest without one, each as far as gpuqd has read it."""
    job = visible_job(request, desk, job_id)
    number = job.attempt if attempt is None else attempt
    known = await _positions(desk, job.id, number)
    files = [EventFile(path=path, size=position.offset) for path, position in sorted(known.items())]
    return EventFiles(attempt=number, files=files)


@get("/v1/jobs/{job_id:int}/event-files/bytes", responses=_ANSWERS)
async def read_event_file(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    path: Annotated[str, Parameter(max_length=16384, description="Its path in the list.")],
    offset: Annotated[int, Parameter(ge=0, lt=2**62)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=_MOST_BYTES)] = 1024 * 1024,
    attempt: Attempt = None,
) -> Response[bytes]:
    """Return a piece of an event file, wherever that is; none at its end."""
    job = visible_job(request, desk, job_id)
    number = job.attempt if attempt is None else attempt
    known = await _positions(desk, job.id, number)
    if path not in known:
        raise NotFoundError(f"Attempt {number} of job {job_id} has no such event file.")
    data = await event_bytes(desk, desk.place(job.id, number), number, known[path], offset, limit)
    return Response(data, media_type="application/octet-stream", headers={"X-Content-Type-Options": "nosniff"})


async def _positions(desk: Desk, job_id: int, attempt: int) -> dict[str, FilePosition]:
    """Return how far an attempt's event files are read; the file of what gpuq samples is none of them."""
    known = await asyncio.to_thread(desk.metrics.positions, job_id, attempt)
    return {path: position for path, position in known.items() if path != samples.NAME}


async def event_bytes(desk: Desk, place: Place, attempt: int, file: FilePosition, offset: int, size: int) -> bytes:
    """Return a piece of an event file, here or where it was carried to; none if it is gone or is another one now.

    Raises:
        FilesError: the file system that it is on cannot be asked now.
    """
    uri = await asyncio.to_thread(place.carried_to)
    found = Found(parts=tuple(file.path.split("/")), identity=file.identity, size=0, changed_at_ns=0)
    address = None if uri is None else f"{uri}/{attempt}/events"
    files = LocalFiles(place.events) if address is None else desk.door.files(address)

    def read() -> bytes:
        with files.open(found) as opened:
            return b"" if opened is None else opened.read(offset, size)

    if address is None:
        return await asyncio.to_thread(read)
    return await asyncio.wrap_future(desk.door.lane(address).submit(read))
