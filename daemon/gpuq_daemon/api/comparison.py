"""The route that holds jobs against each other."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq import sweep
from gpuq.errors import NotFoundError
from gpuq.models import Hparam, Job
from gpuq.summaries import SAMPLED, Compared, SeriesKind
from gpuq.text import clean, fit
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.series import Rank, Run, Tag
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.series.compare import Entry, compare
from gpuq_daemon.store.metrics import MetricsStore

_MOST_TAGS = 100


class Comparison(Struct):
    """Tags of jobs, each with where the jobs stand, in the order in which they were asked for.

    Without tags in the question, those that all jobs have, by name; `left_out` counts those beyond the first 100.
    `hparams` are the hyperparameters of each job, in the same order.
    """

    tags: list[Compared]
    left_out: int = 0
    hparams: list[tuple[Hparam, ...]] = []


@get("/v1/compare")
async def compare_jobs(
    request: Request[Any, Any, Any],
    desk: Desk,
    job: Annotated[list[JobId], Parameter(min_items=1, max_items=50, description="The jobs, in order.")],
    tag: Annotated[list[Tag] | None, Parameter(max_items=_MOST_TAGS, description="Only these scalars.")] = None,
    rank: Rank = None,
    run: Run = None,
) -> Comparison:
    """Return how scalars of several jobs end, how good they were at best, and where all of them have come."""
    jobs = [visible_job(request, desk, one) for one in job]
    return await asyncio.to_thread(_comparison, desk.metrics, jobs, tag, rank, run)


def _comparison(
    metrics: MetricsStore, jobs: list[Job], tags: list[str] | None, rank: int | None, run: str | None
) -> Comparison:
    ids = [job.id for job in jobs]
    wanted = list(dict.fromkeys(tags)) if tags else _common(metrics, ids, rank, run)
    found = [_compared(metrics, ids, one, rank, run) for one in wanted[:_MOST_TAGS]]
    hparams = [swept(job) + metrics.hparams(job.id) for job in jobs]
    return Comparison(tags=found, left_out=max(0, len(wanted) - _MOST_TAGS), hparams=hparams)


def swept(job: Job) -> tuple[Hparam, ...]:
    """Return the values that a task of a sweep has."""
    if job.sweep is None or job.array_index is None:
        return ()
    chosen = sweep.combination(sweep.parse(job.sweep), job.array_index)
    return tuple(Hparam(name=name, value=value) for name, value in chosen.items())


def _common(metrics: MetricsStore, jobs: list[int], rank: int | None, run: str | None) -> list[str]:
    common: set[str] | None = None
    for job in jobs:
        has = {
            one.tag
            for one in metrics.series(job)
            if one.kind is SeriesKind.SCALAR
            and rank in (None, one.rank)
            and run in (None, one.run)
            and (run is not None or one.run != SAMPLED)
        }
        if not has:
            raise NotFoundError(f"Job {job} has written no curve there yet.")
        common = has if common is None else common & has
    if not common:
        raise NotFoundError("These jobs have no scalar in common; `gpuq plot --list` shows what each has.")
    return sorted(common)


def _compared(metrics: MetricsStore, jobs: list[int], tag: str, rank: int | None, run: str | None) -> Compared:
    entries: list[Entry] = []
    for job in jobs:
        series, course = metrics.course(job, tag, rank, run)
        if not len(course.points.steps):  # it is being removed
            raise NotFoundError(f"Job {job} has no points of '{fit(clean(tag), 60)}' any more.")
        entries.append(Entry(series=series, points=course.points))
    return compare(tag, entries)
