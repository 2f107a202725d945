"""Routes about what the training measured: its tags, and curves thinned to a width."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.models import Curve, Series
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.visible import visible_job


class SeriesList(Struct):
    """Tags of a job, by rank, run and name."""

    series: list[Series]


@get("/v1/jobs/{job_id:int}/series")
async def list_series(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> SeriesList:
    """Return the job's tags."""
    visible_job(request, desk, job_id)
    return SeriesList(await asyncio.to_thread(desk.metrics.series, job_id))


@get("/v1/jobs/{job_id:int}/curve")
async def curve(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: str,
    rank: Annotated[int | None, Parameter(ge=0, lt=2**16)] = None,
    run: str | None = None,
    columns: Annotated[int, Parameter(ge=1, le=10_000)] = 200,
    x: Literal["step", "wall"] = "step",
) -> Curve:
    """Return a scalar's points, thinned to `columns`."""
    visible_job(request, desk, job_id)
    return await asyncio.to_thread(desk.metrics.curve, job_id, tag, rank=rank, run=run, columns=columns, x=x)
