"""Charts as pictures, for whoever has no chart of its own to draw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from gpuq.chart import labels
from gpuq.errors import NotFoundError, UsageError
from gpuq.summaries import Curve, SeriesKind
from gpuq.text import clean, fit
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.series import Attempt, Rank, Smoothing, Tag, Which, heat_map
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.drawing import curves, heat
from gpuq_daemon.drawing.curves import Look
from gpuq_daemon.drawing.figure import Figure
from gpuq_daemon.drawing.png import png
from gpuq_daemon.drawing.svg import svg
from gpuq_daemon.series.standing import standing_for
from gpuq_daemon.store.metrics import MetricsStore

_MOST_CURVES = 64
_BINS = 60
_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
# A picture runs nothing, also where a browser opens it by itself.
PICTURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

Runs = Annotated[
    list[Annotated[str, Parameter(max_length=4096)]] | None,
    Parameter(max_items=_MOST_CURVES, description="Folders below the rank's log folder; each is a curve of its own."),
]
Width = Annotated[int, Parameter(ge=200, le=4000, description="Pixels.")]
Height = Annotated[int, Parameter(ge=150, le=4000, description="Pixels.")]
_ANSWERS = {
    200: ResponseSpec(
        data_container=bytes, description="The picture.", media_type="image/svg+xml", generate_examples=False
    )
}


@get("/v1/chart", responses=_ANSWERS)
async def chart(
    request: Request[Any, Any, Any],
    desk: Desk,
    job: Annotated[list[JobId], Parameter(min_items=1, max_items=_MOST_CURVES, description="The jobs, in order.")],
    tag: Annotated[
        list[Tag] | None,
        Parameter(max_items=_MOST_CURVES, description="Scalars; without any, what stands for each job."),
    ] = None,
    rank: Rank = None,
    run: Runs = None,
    attempt: Attempt = None,
    x: Literal["step", "wall", "relative"] = "step",
    smooth: Smoothing = 0.0,
    log_x: bool = False,
    log_y: bool = False,
    width: Width = 800,
    height: Height = 400,
    picture: Annotated[Literal["svg", "png"], Parameter(query="format")] = "svg",
) -> Response[bytes]:
    """Return a picture of curves over each other, as SVG or PNG; a job without a tag is left out of that."""
    for one in job:
        visible_job(request, desk, one)
    title = ("job " if len(job) == 1 else "jobs ") + ", ".join(map(str, job))
    look = Look(width=width, height=height, x=x, log_x=log_x, log_y=log_y, title=title)

    def drawn() -> bytes:
        found = _curves(desk.metrics, job, tag, rank, run, attempt, width, x, smooth)
        tags = {curve.series.tag for curve in found}
        names = labels(found)
        only = Look(width=width, height=height, x=x, log_x=log_x, log_y=log_y, title=f"{title}: {min(tags)}")
        return written(curves.draw(found, names, only if len(tags) == 1 else look), picture)

    return _answer(await in_turn(desk, drawn), picture)


@get("/v1/jobs/{job_id:int}/heatmap/picture", responses=_ANSWERS)
async def heat_picture(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: Tag,
    which: Which,
    width: Width = 800,
    height: Height = 400,
    picture: Annotated[Literal["svg", "png"], Parameter(query="format")] = "svg",
) -> Response[bytes]:
    """Return a picture of a tag's distributions over its steps, as SVG or PNG."""
    visible_job(request, desk, job_id)

    def drawn() -> bytes:
        found = heat_map(desk.metrics, job_id, tag, which, _BINS, width // 4)
        return written(heat.draw(found, f"job {job_id}: {tag}", width, height), picture)

    return _answer(await in_turn(desk, drawn), picture)


async def in_turn(desk: Desk, draw: Callable[[], bytes]) -> bytes:
    """Return what `draw` does, of which one at a time runs: several side by side leave the event loop no turn."""
    async with desk.pictures:
        return await asyncio.to_thread(draw)


def written(figure: Figure, picture: str) -> bytes:
    """Return the bytes of a picture."""
    return png(figure) if picture == "png" else svg(figure).encode("utf-8", "replace")


def _answer(content: bytes, picture: str) -> Response[bytes]:
    return Response(content, media_type=_TYPES[picture], headers=PICTURE_HEADERS)


def _curves(
    metrics: MetricsStore,
    jobs: list[int],
    tags: list[str] | None,
    rank: int | None,
    runs: list[str] | None,
    attempt: int | None,
    width: int,
    x: str,
    smooth: float,
) -> list[Curve]:
    """Return what is drawn.

    Raises:
        NotFoundError: none of the jobs has any of it.
        UsageError: it is more than a picture can hold.
    """
    wanted: list[tuple[int, str, str | None]] = []
    for job in jobs:
        series = [one for one in metrics.series(job) if one.kind is SeriesKind.SCALAR]
        series = [one for one in series if rank in (None, one.rank)]
        for run in runs or [None]:
            there = [one for one in series if run in (None, one.run)]
            stands = standing_for(there)
            known = {one.tag for one in there}
            mine = tags or ([] if stands is None else [stands.tag])
            wanted += [(job, one, run) for one in mine if one in known]
    if not wanted:
        named = "" if not tags else f" named {', '.join(fit(clean(one), 40) for one in tags[:5])}"
        raise NotFoundError(f"There is no curve{named} there; `gpuq plot --list` shows what a job has.")
    if len(wanted) > _MOST_CURVES:
        raise UsageError(f"{len(wanted)} curves are too many for a picture: ask for {_MOST_CURVES} at most.")
    along = "step" if x == "step" else "wall"
    return [metrics.curve(job, one, rank, run, attempt, width, along, smooth) for job, one, run in wanted]
