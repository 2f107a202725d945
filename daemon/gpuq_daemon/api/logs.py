"""Routes about logs: a piece of a rank's or the driver's output."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import Job
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.beneath import open_file
from gpuq_daemon.files.found import Files
from gpuq_daemon.places import Place
from gpuq_daemon.streamed import Readable, Stream, at_character, part_of, told_to, whole_characters

_MOST = 1024 * 1024
_MOST_GROWN = 64 * 1024


class LogPiece(Struct):
    """Text of a log from byte `offset` on; go on at `next_offset`. `is_final`: nothing will be added.

    The text is as the job wrote it, control sequences and all: whoever shows it cleans it. Offsets and `size` are of
    the whole log, also where the text is what only one `stream` wrote; `is_told_apart`: whether the log tells that.
    """

    data: str
    offset: int
    next_offset: int
    size: int
    is_final: bool
    rank: int | None
    stream: Stream | None = None
    is_told_apart: bool | None = None


class _Asked(Struct, frozen=True):
    """Which bytes of which log."""

    rank: int | None
    offset: int
    limit: int
    stream: Stream | None
    until: int | None
    is_over: bool


class _Found(Struct, frozen=True):
    """Bytes of a log, where they are in it, and how long it is; `is_told_apart` None: that was not looked for."""

    data: bytes = b""
    offset: int = 0
    next_offset: int = 0
    size: int = 0
    is_told_apart: bool | None = None


@get("/v1/jobs/{job_id:int}/logs")
async def read_log(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    rank: Annotated[int | None, Parameter(ge=0, lt=2**16)] = None,
    offset: Annotated[int, Parameter(gt=-(2**62), lt=2**62)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=_MOST)] = 256 * 1024,
    attempt: Annotated[int | None, Parameter(ge=1, lt=2**31, description="Of this attempt; else the newest.")] = None,
    stream: Annotated[Stream | None, Parameter(description="What the rank wrote to this one; else to both.")] = None,
    until: Annotated[int | None, Parameter(ge=0, lt=2**62, description="Nothing from this byte on.")] = None,
) -> LogPiece:
    """Return a piece of the log of a rank, or of the driver; a negative offset counts from the end."""
    job = visible_job(request, desk, job_id)
    _must_have(job, rank)
    if rank is None and stream is not None:
        raise UsageError("The driver's log is one: only a rank's tells its stdout and stderr apart.")
    number = job.attempt if attempt is None else attempt
    if number > job.attempt:
        raise NotFoundError(f"Job {job.id} has no attempt {number}; it has had {job.attempt}.")
    place = desk.place(job.id, number)
    is_over = job.state.is_final or number < job.attempt
    asked = _Asked(rank, offset, limit, stream, until, is_over)
    found = await asyncio.to_thread(_read, place, asked)
    if not found.size and rank is not None:
        found = await _read_elsewhere(desk, place, number, rank, asked)
    if not found.size:
        _refuse_removed(job, desk)
    return LogPiece(
        data=found.data.decode(errors="replace"),
        offset=found.offset,
        next_offset=found.next_offset,
        size=found.size,
        is_final=is_over,
        rank=rank,
        stream=stream,
        is_told_apart=found.is_told_apart,
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


def _read(place: Place, asked: _Asked) -> _Found:
    """Return what the file on this host has."""
    try:
        file = _opened(place, asked.rank)
    except FileNotFoundError:
        return _Found()
    except OSError as error:
        raise NotFoundError(
            f"There is no log: what stands in its place is no plain file ({error.strerror})."
        ) from error
    try:
        told = None if asked.rank is None or asked.stream is None else _opened_streams(place, asked.rank)
        try:
            return _piece(_file(file), None if told is None else _file(told), asked)
        finally:
            if told is not None:
                os.close(told)
    finally:
        os.close(file)


def _file(descriptor: int) -> Readable:
    return Readable(read=lambda offset, size: os.pread(descriptor, size, offset), size=os.fstat(descriptor).st_size)


def _piece(log: Readable, told: Readable | None, asked: _Asked) -> _Found:
    """Return what is asked for of a log; cut so that no character is torn."""
    if asked.stream is not None:
        part = part_of(
            log,
            told,
            asked.stream,
            offset=asked.offset,
            limit=asked.limit,
            until=asked.until,
            is_over=asked.is_over,
        )
        return _Found(part.data, part.begin, part.end, log.size, told is not None)
    end = log.size if asked.until is None else min(log.size, asked.until)
    start = min(end, at_character(log, end + asked.offset)) if asked.offset < 0 else asked.offset
    limit = asked.limit if asked.until is None else max(0, min(asked.limit, asked.until - start))
    data = whole_characters(log.read(start, limit)) if limit else b""
    return _Found(data, start, start + len(data), max(log.size, start + len(data) if data else 0))


def _opened(place: Place, rank: int | None) -> int:
    """Open the log of a rank, or the driver's: gpuqd's own, where the driver runs elsewhere."""
    if rank is None:
        try:
            return open_file(place.control, place.own_log.name)
        except FileNotFoundError:
            pass
    return open_file(place.folder, *place.log(rank))


def _opened_streams(place: Place, rank: int) -> int | None:
    try:
        return open_file(place.folder, *place.streams(rank))
    except OSError:  # older than the telling, or no plain file: then nothing is told
        return None


async def _read_elsewhere(desk: Desk, place: Place, attempt: int, rank: int, asked: _Asked) -> _Found:
    """Return the same of a log that was carried elsewhere, as that of a rank on another host is."""
    uri = await asyncio.to_thread(place.carried_to)
    if uri is None:
        return _Found()
    *folder, name = place.log(rank)
    streams = place.streams(rank)[-1] if asked.stream is not None else None
    files = desk.door.files("/".join((uri, str(attempt), *folder)), lambda one: one in (name, streams))
    return await asyncio.wrap_future(desk.door.lane(uri).submit(lambda: _read_found(files, name, asked)))


def _read_found(files: Files, name: str, asked: _Asked) -> _Found:
    with ExitStack() as opened:
        there = dict[str, Readable]()
        for found in files.find():
            file = opened.enter_context(files.open(found))
            if file is not None:
                there[found.parts[-1]] = Readable(read=file.read, size=found.size)
        log = there.pop(name, None)
        if log is None:
            return _Found()
        told = next((_grown(one) for one in there.values()), None)
        return _piece(Readable(read=log.read, size=max(log.size, told_to(told))), told, asked)


def _grown(told: Readable) -> Readable:
    """Return a file that may be longer than its file system says, as one that is still written is on HDFS."""
    return Readable(read=told.read, size=told.size + len(told.read(told.size, _MOST_GROWN)))
