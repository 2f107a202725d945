"""Routes about logs: a piece of a rank's or the driver's output."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError
from gpuq.models import Job
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.beneath import open_file
from gpuq_daemon.files.found import Files
from gpuq_daemon.places import Place

_MOST = 1024 * 1024


class LogPiece(Struct):
    """Text of a log from byte `offset` on; go on at `next_offset`. `is_final`: nothing will be added.

    The text is as the job wrote it, control sequences and all: whoever shows it cleans it.
    """

    data: str
    offset: int
    next_offset: int
    size: int
    is_final: bool
    rank: int | None


@get("/v1/jobs/{job_id:int}/logs")
async def read_log(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    rank: Annotated[int | None, Parameter(ge=0, lt=2**16)] = None,
    offset: Annotated[int, Parameter(gt=-(2**62), lt=2**62)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=_MOST)] = 256 * 1024,
    attempt: Annotated[int | None, Parameter(ge=1, lt=2**31, description="Of this attempt; else the newest.")] = None,
) -> LogPiece:
    """Return a piece of the log of a rank, or of the driver; a negative offset counts from the end."""
    job = visible_job(request, desk, job_id)
    _must_have(job, rank)
    number = job.attempt if attempt is None else attempt
    if number > job.attempt:
        raise NotFoundError(f"Job {job.id} has no attempt {number}; it has had {job.attempt}.")
    place = desk.place(job.id, number)
    data, start, size = await asyncio.to_thread(_read, place, rank, offset, limit)
    if not size and rank is not None:
        data, start, size = await _read_elsewhere(desk, place, number, rank, offset, limit)
    if not size:
        _refuse_removed(job, desk)
    return LogPiece(
        data=data.decode(errors="replace"),
        offset=start,
        next_offset=start + len(data),
        size=size,
        is_final=job.state.is_final or number < job.attempt,
        rank=rank,
    )


def _refuse_removed(job: Job, desk: Desk) -> None:
    """Refuse to call a log empty that was there, and is not kept any more."""
    days = desk.config.retention.logs_days
    if days is not None and job.ended_at is not None and job.ended_at < desk.clock.now() - days * 86_400:
        raise NotFoundError(f"The logs of job {job.id} are not kept any more: gpuqd keeps them {days:g} days.")


def _must_have(job: Job, rank: int | None) -> None:
    if rank is not None and rank >= job.rank_count:
        ranks = "rank 0" if job.rank_count == 1 else f"ranks 0 to {job.rank_count - 1}"
        raise NotFoundError(f"Job {job.id} has no rank {rank}; it has {ranks}.")


def _read(place: Place, rank: int | None, offset: int, limit: int) -> tuple[bytes, int, int]:
    """Return (bytes, where they start, size of the file); cut so that no character is torn."""
    try:
        file = _opened(place, rank)
    except FileNotFoundError:
        return b"", 0, 0
    except OSError as error:
        raise NotFoundError(
            f"There is no log: what stands in its place is no plain file ({error.strerror})."
        ) from error
    try:
        size = os.fstat(file).st_size
        start = max(0, size + offset) if offset < 0 else offset
        data = os.pread(file, limit, start)
    finally:
        os.close(file)
    return _whole_characters(data), start, size


def _opened(place: Place, rank: int | None) -> int:
    """Open the log of a rank, or the driver's: gpuqd's own, where the driver runs elsewhere."""
    if rank is None:
        try:
            return open_file(place.control, place.own_log.name)
        except FileNotFoundError:
            pass
    return open_file(place.folder, *place.log(rank))


async def _read_elsewhere(
    desk: Desk, place: Place, attempt: int, rank: int, offset: int, limit: int
) -> tuple[bytes, int, int]:
    """Return the same of a log that was carried elsewhere, as that of a rank on another host is."""
    uri = await asyncio.to_thread(place.carried_to)
    if uri is None:
        return b"", 0, 0
    *folder, name = place.log(rank)
    files = desk.door.files("/".join((uri, str(attempt), *folder)), lambda one: one == name)
    return await asyncio.wrap_future(desk.door.lane(uri).submit(lambda: _read_found(files, offset, limit)))


def _read_found(files: Files, offset: int, limit: int) -> tuple[bytes, int, int]:
    for found in files.find():
        with files.open(found) as file:
            if file is not None:
                start = max(0, found.size + offset) if offset < 0 else offset
                data = file.read(start, limit)
                return _whole_characters(data), start, max(found.size, start + len(data))
    return b"", 0, 0


def _whole_characters(data: bytes) -> bytes:
    """Return `data` without the beginning of a UTF-8 character at its end, which the next piece will have."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if back < needed and len(data) > back else data
    return data
