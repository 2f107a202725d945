"""Routes about what the training measured: its tags, curves thinned to a width, distributions over steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.summaries import Buckets, Curve, HeatMap, Histograms, Series
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.eventfile.events import MAX_TAG_BYTES
from gpuq_daemon.series.heat import heat
from gpuq_daemon.store.metrics import MAX_HISTOGRAMS, MetricsStore


class SeriesList(Struct):
    """Tags of a job, by rank, run and name."""

    series: list[Series]


@get("/v1/jobs/{job_id:int}/series")
async def list_series(request: Request[Any, Any, Any], desk: Desk, job_id: JobId) -> SeriesList:
    """Return the job's tags."""
    visible_job(request, desk, job_id)
    return SeriesList(await asyncio.to_thread(desk.metrics.series, job_id))


Tag = Annotated[str, Parameter(max_length=MAX_TAG_BYTES, description="A tag, by its whole name.")]
Rank = Annotated[int | None, Parameter(ge=0, lt=2**16, description="Of this rank; without it, of the first.")]
Run = Annotated[str | None, Parameter(max_length=4096, description="The folder below the rank's log folder.")]
Attempt = Annotated[
    int | None, Parameter(ge=1, lt=2**31, description="Of this attempt alone; without it, over all of them.")
]
Smoothing = Annotated[float, Parameter(ge=0, lt=1, description="The weight of the past in TensorBoard's average.")]

Place = Annotated[
    float | None,
    Parameter(
        ge=-1e300,
        le=1e300,
        description="Of a part of the curve only: where it begins or ends along x, in steps, Unix seconds, or "
        "(relative) seconds since its first point.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Of which rank, run and attempt something is asked; None leaves it open."""

    rank: int | None
    run: str | None
    attempt: int | None


def which(rank: Rank = None, run: Run = None, attempt: Attempt = None) -> Which:
    """Return what a question says of it."""
    return Which(rank=rank, run=run, attempt=attempt)


@get("/v1/jobs/{job_id:int}/curve")
async def curve(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: Tag,
    which: Which,
    columns: Annotated[int, Parameter(ge=1, le=10_000)] = 200,
    x: Literal["step", "wall", "relative"] = "step",
    smooth: Smoothing = 0.0,
    begin: Place = None,
    end: Place = None,
) -> Curve:
    """Return a scalar's points, thinned to `columns`, over the job's attempts."""
    visible_job(request, desk, job_id)
    asked = (job_id, tag, which.rank, which.run, which.attempt, columns, x, smooth)
    return await asyncio.to_thread(partial(desk.metrics.curve, *asked, begin=begin, end=end))


@get("/v1/jobs/{job_id:int}/histograms")
async def histograms(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: Tag,
    which: Which,
    at_most: Annotated[int, Parameter(ge=1, le=1000, description="So many steps, evenly picked.")] = MAX_HISTOGRAMS,
) -> Histograms:
    """Return a tag's distributions by step, their buckets as they were written."""
    visible_job(request, desk, job_id)
    series, points = await asyncio.to_thread(
        desk.metrics.histograms, job_id, tag, which.rank, which.run, which.attempt, at_most
    )
    return Histograms(
        series=series,
        points=tuple(
            Buckets(step=p.step, wall_time=p.wall_time, edges=tuple(p.edges), counts=tuple(p.counts)) for p in points
        ),
    )


@get("/v1/jobs/{job_id:int}/heatmap")
async def heatmap(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: Tag,
    which: Which,
    bins: Annotated[int, Parameter(ge=1, le=500)] = 20,
    at_most: Annotated[int, Parameter(ge=1, le=1000, description="So many steps, evenly picked.")] = MAX_HISTOGRAMS,
) -> HeatMap:
    """Return a tag's distributions by step, in bins that are the same for all steps."""
    visible_job(request, desk, job_id)
    return await asyncio.to_thread(heat_map, desk.metrics, job_id, tag, which, bins, at_most)


def heat_map(metrics: MetricsStore, job_id: int, tag: str, which: Which, bins: int, at_most: int) -> HeatMap:
    """Return a tag's distributions in equal bins.

    Raises:
        NotFoundError: the job has no such histogram.
    """
    series, points = metrics.histograms(job_id, tag, which.rank, which.run, which.attempt, at_most)
    found = heat(points, bins)
    return HeatMap(
        series=series,
        low=found.low,
        high=found.high,
        steps=tuple(point.step for point in points),
        wall_times=tuple(point.wall_time for point in points),
        counts=found.counts,
    )
