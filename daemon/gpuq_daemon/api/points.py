"""The route that gives all points away, as tables that other programs read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from gpuq.errors import NotFoundError
from gpuq.summaries import Series, SeriesKind
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.series import Attempt, Rank, Tag
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.series import tables
from gpuq_daemon.store.metrics import MetricsStore

_TYPES = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
}
_ANSWERS = {
    200: ResponseSpec(
        data_container=bytes,
        description=(
            "The points as they were written, those of attempts that were replaced too: columns job_id, attempt, rank, "
            "run, tag, step, wall_time, value (of histograms edges and counts); in JSON by series."
        ),
        media_type="application/vnd.apache.arrow.stream",
        generate_examples=False,
    )
}


@get("/v1/jobs/{job_id:int}/points", responses=_ANSWERS)
async def points(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    tag: Annotated[list[Tag] | None, Parameter(max_items=1000, description="Only these.")] = None,
    kind: SeriesKind = SeriesKind.SCALAR,
    rank: Rank = None,
    run: Annotated[
        list[Annotated[str, Parameter(max_length=4096)]] | None, Parameter(max_items=1000, description="Only these.")
    ] = None,
    attempt: Attempt = None,
    form: Annotated[Literal["json", "arrow", "parquet", "csv"], Parameter(query="format")] = "json",
) -> Stream:
    """Return all points of a job's tags of one kind: nothing is thinned or left out."""
    visible_job(request, desk, job_id)
    found = [
        one
        for one in await asyncio.to_thread(desk.metrics.series, job_id)
        if one.kind is kind
        and (not tag or one.tag in tag)
        and rank in (None, one.rank)
        and (not run or one.run in run)
        and attempt in (None, one.attempt)
    ]
    if not found:
        raise NotFoundError(f"Job {job_id} has no such {kind}; `gpuq plot --list {job_id}` shows what it has.")
    found.sort(key=lambda one: one.attempt)  # the list has the newest first
    content = _json(desk.metrics, found) if form == "json" else _table(desk.metrics, found, kind, form)
    return Stream(content, media_type=_TYPES[form])


def _table(metrics: MetricsStore, found: list[Series], kind: SeriesKind, form: tables.Format) -> Iterator[bytes]:
    if kind is SeriesKind.SCALAR:
        rows = (tables.scalars(one, part) for one in found for part in metrics.written(one))
    else:
        rows = (tables.histograms(one, part) for one in found for part in metrics.written_histograms(one))
    return tables.written(form, kind, rows)


def _json(metrics: MetricsStore, found: list[Series]) -> Iterator[bytes]:
    """Yield `{"points": [{"series", "steps", "wall_times", "values"}]}`, a long series in several parts."""
    between = b'{"points":['
    for part in _parts(metrics, found):
        yield between + msgspec.json.encode(part)
        between = b","
    yield b"]}" if between == b"," else b'{"points":[]}'


def _parts(metrics: MetricsStore, found: list[Series]) -> Iterator[dict[str, object]]:
    for one in found:
        if one.kind is SeriesKind.SCALAR:
            for part in metrics.written(one):
                at = {"steps": part.whole_steps.tolist(), "wall_times": part.wall_times.tolist()}
                yield {"series": one, **at, "values": part.values.tolist()}
        else:
            for points in metrics.written_histograms(one):
                at = {"steps": [p.step for p in points], "wall_times": [p.wall_time for p in points]}
                yield {"series": one, **at, "edges": [p.edges for p in points], "counts": [p.counts for p in points]}
