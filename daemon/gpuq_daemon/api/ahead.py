"""Routes about what is to come, and how well that was known."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.models import JobState, Way
from gpuq.sharing import EtaRow, Moved
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.roles import operator
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.forecast.kept import eta_rows

_WEEK_S = 7 * 86_400.0


class EtaReport(Struct):
    """How estimates of starts that were made from `since` to `until` were kept."""

    since: float
    until: float
    rows: list[EtaRow]


@get("/v1/estimates")
async def eta_report(
    desk: Desk,
    since: Annotated[float | None, Parameter(ge=0, le=1e12, description="Made since then; else in a week.")] = None,
) -> EtaReport:
    """Return how often the promised starts were kept, by quantile: all, the first of each job, and by distance."""
    now = desk.clock.now()
    begin = now - _WEEK_S if since is None else since
    promised = desk.ahead.promised_since(begin)
    return EtaReport(since=begin, until=now, rows=await asyncio.to_thread(eta_rows, promised, now))


class Ways(Struct):
    """How a pending job would start as it is, and then each change of it that has it start sooner, the soonest first.

    Empty where it does not wait, or where that could not be found out in time.
    """

    job_id: int
    ways: tuple[Way, ...]


@get("/v1/jobs/{job_id:int}/sooner")
async def sooner(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> Ways:
    """Return what would let a pending job start sooner, each tried by the policy; this takes seconds."""
    job = visible_job(request, desk, job_id)
    if job.state is not JobState.PENDING:
        return Ways(job_id=job_id, ways=())
    return Ways(job_id=job_id, ways=await desk.ahead.sooner(job_id))


class WouldMove(Struct):
    """Who would start at another time, the furthest first. `is_whole` False: there was no time for all replays."""

    change: str
    waiting: int
    moved: tuple[Moved, ...]
    is_whole: bool


@get("/v1/what-if")
async def what_if(
    request: Request[Any, Any, Any],
    desk: Desk,
    change: Annotated[str, Parameter(min_length=1, max_length=200, description="As `drain node7 at 18:00`.")],
) -> WouldMove:
    """Return who would move by how much if a change were made; nothing is, and it takes seconds. For operators."""
    operator(request)
    found = await desk.ahead.what_if(change)
    return WouldMove(change=change, waiting=desk.jobs.count_pending(), moved=found.moved, is_whole=found.is_whole)
