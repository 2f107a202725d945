"""Routes about checkpoints: which a job has, what one holds, how the numbers of a variable are distributed."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import isfinite
from typing import Annotated, Any, TypeVar

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import GpuqError, NotFoundError
from gpuq.summaries import Checkpoint, CheckpointContents, Distribution, Weights
from gpuq.text import clean, fit
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.checkpoint.source import DamagedError
from gpuq_daemon.checkpoint.variables import Variable
from gpuq_daemon.collectors.checkpoint_files import CheckpointFiles, Kept, is_checkpoint_file
from gpuq_daemon.files.local import LocalFiles

T = TypeVar("T")

_LONGEST_NAME = 80
_MOST_TOLD = 1000  # of each an index has to be read once
At = Annotated[
    str | None,
    Parameter(max_length=4096, description="A name, a step, or the number in a name. Without it, the newest."),
]


class Checkpoints(Struct):
    """A job's checkpoints in the order of the numbers in their names, those without one first; the last of them.

    `left_out` counts those that come before.
    """

    checkpoints: list[Checkpoint]
    left_out: int = 0


@get("/v1/jobs/{job_id:int}/checkpoints")
async def list_checkpoints(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    limit: Annotated[int, Parameter(ge=1, le=_MOST_TOLD, description="At most so many, the last.")] = _MOST_TOLD,
) -> Checkpoints:
    """Return the job's checkpoints."""
    return await _asked(request, desk, job_id, lambda files: _list(files, job_id, limit))


@get("/v1/jobs/{job_id:int}/checkpoint")
async def show_checkpoint(
    request: Request[Any, Any, Any], desk: Desk, job_id: JobId, at: At = None
) -> CheckpointContents:
    """Return what a checkpoint holds."""
    return await _asked(request, desk, job_id, lambda files: _contents(files, job_id, at))


@get("/v1/jobs/{job_id:int}/weights")
async def weights(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    name: Annotated[str, Parameter(max_length=4096, description="A variable, by its name or its key.")],
    at: At = None,
    minus: At = None,
    bins: Annotated[int, Parameter(ge=1, le=1000)] = 40,
) -> Distribution:
    """Return how the numbers of a variable are distributed; with `minus`, how far they are from those of that
    checkpoint.
    """
    return await _asked(request, desk, job_id, lambda files: _distribution(files, job_id, name, at, minus, bins))


async def _asked(
    request: Request[Any, Any, Any], desk: Desk, job_id: int, question: Callable[[CheckpointFiles], T]
) -> T:
    """Ask something of the job's checkpoints: of those in its folder, else of those that were carried elsewhere."""
    job = visible_job(request, desk, job_id)
    place = desk.place(job.id, job.attempt)
    here = CheckpointFiles(LocalFiles(place.checkpoints, is_checkpoint_file), desk.counted)
    uri = await asyncio.to_thread(place.carried_to)
    if uri is None or await asyncio.to_thread(here.all):
        return await asyncio.to_thread(question, here)
    there = desk.door.files(f"{uri}/checkpoints", is_checkpoint_file)
    return await asyncio.wrap_future(desk.door.lane(uri).submit(lambda: question(CheckpointFiles(there, desk.counted))))


def _contents(files: CheckpointFiles, job_id: int, at: str | None) -> CheckpointContents:
    kept = _chosen(files, job_id, at)
    with _readable(job_id, kept):
        found = files.variables(kept)
    return CheckpointContents(checkpoint=_told(files, job_id, kept), weights=tuple(_weights(one) for one in found))


def _distribution(
    files: CheckpointFiles, job_id: int, name: str, at: str | None, minus: str | None, bins: int
) -> Distribution:
    kept = _chosen(files, job_id, at)
    less = None if minus is None else _chosen(files, job_id, minus, kept.format)
    with _readable(job_id, kept):
        try:
            variable, found = files.distribution(kept, name, bins, less)
        except KeyError as error:
            raise NotFoundError(_unknown(files, kept, name, str(error.args[0]))) from error
    return Distribution(
        checkpoint=_told(files, job_id, kept),
        minus=None if less is None else _told(files, job_id, less),
        weights=_weights(variable),
        count=found.count,
        finite=found.finite,
        zeros=found.zeros,
        nans=found.nans,
        infinities=found.infinities,
        mean=_number(found.mean),
        std=_number(found.std),
        low=_number(found.low),
        high=_number(found.high),
        counts=found.counts,
    )


def _chosen(files: CheckpointFiles, job_id: int, at: str | None, like: str | None = None) -> Kept:
    """Return the checkpoint of a name or a step, the newest without one.

    Of several of one step it is that of format `like`, else TensorFlow's own.
    """
    every = files.all()
    if not every:
        raise NotFoundError(
            f"Job {job_id} has no checkpoint: its script saves them in the folder that $GPUQ_CHECKPOINT_DIR names."
        )
    found = every if at is None else _of(files, every, at)
    if not found:
        raise NotFoundError(f"Job {job_id} has no checkpoint {_short(str(at))}; it has {_some(every)}.")
    number = max(_number_of(k) for k in found)
    newest = [k for k in found if _number_of(k) == number]
    return max(newest, key=lambda k: (k.format == like, k.format == "tensorflow", k.name))


def _of(files: CheckpointFiles, every: list[Kept], at: str) -> list[Kept]:
    """Return those of a name; else with that number in their names; else of that step."""
    named = [k for k in every if k.name == at] or [k for k in every if str(k.number) == at]
    if named or not at.isdecimal():
        return named
    return [k for k in every[-_MOST_TOLD:] if str(files.counters(k).step_of(k.number)) == at]


def _number_of(kept: Kept) -> int:
    return -1 if kept.number is None else kept.number


def _some(every: list[Kept]) -> str:
    names = [_short(kept.name) for kept in every[-5:]]
    return (f"{len(every) - 5} earlier ones and " if len(every) > len(names) else "") + ", ".join(names)


def _unknown(files: CheckpointFiles, kept: Kept, name: str, checkpoint: str) -> str:
    known = [one.name for one in files.variables(kept)]
    near = difflib.get_close_matches(name[:200], known[:5000], n=1) or [one for one in known if name in one][:1]
    hint = f"did you mean {_short(near[0])}?" if near else "`gpuq checkpoint` lists what it has."
    return f"{_short(checkpoint)} has no variable {_short(name)}; {hint}"


@contextmanager
def _readable(job_id: int, kept: Kept) -> Generator[None]:
    """Turn damage into a sentence."""
    try:
        yield
    except DamagedError as error:
        wrong = fit(clean(str(error)), 300)
        raise DamagedCheckpointError(
            f"Checkpoint {_short(kept.name)} of job {job_id} cannot be read: {wrong}."
        ) from error


class DamagedCheckpointError(GpuqError):
    """A checkpoint is there, but its files are damaged or of a kind that is not read."""


def _short(name: str) -> str:
    return fit(clean(name), _LONGEST_NAME)


def _list(files: CheckpointFiles, job_id: int, limit: int) -> Checkpoints:
    every = files.all()
    told = every[-limit:]
    return Checkpoints([_told(files, job_id, kept) for kept in told], left_out=len(every) - len(told))


def _told(files: CheckpointFiles, job_id: int, kept: Kept) -> Checkpoint:
    counted = files.counters(kept)
    return Checkpoint(
        job_id=job_id,
        name=kept.name,
        format=kept.format,
        step=counted.step_of(kept.number),
        save=kept.number if counted.is_save(kept.number) else None,
        saved_at=kept.saved_at_ns / 1e9,
        bytes=kept.bytes,
    )


def _weights(variable: Variable) -> Weights:
    return Weights(
        name=variable.name,
        key=variable.key,
        dtype=variable.type_name,
        shape=variable.shape,
        bytes=variable.bytes,
    )


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
