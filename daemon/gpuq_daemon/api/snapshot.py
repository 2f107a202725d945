"""Everything there is, as a stream of changes begins with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gpuq_daemon.api import views
from gpuq_daemon.api.caller import Caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.visible import may_see, seen_cluster, seen_gpu, sees_everything
from gpuq_daemon.feed.columns import by_column
from gpuq_daemon.feed.deltas import Told
from gpuq_daemon.feed.feed import Feed, encoded
from gpuq_daemon.feed.listener import Listener
from gpuq_daemon.store.job_rows import ORIGIN

_ROWS_AT_A_TIME = 100
_COLUMNS_AT_A_TIME = 2000
_UNBEGUN = {"charged_gpu_s": 0.0, "hparams": (), "carried_uri": None}  # as it is of every job that has never begun
FIELDS = ("id", *Told.FIELDS, *ORIGIN, "priority", "p50_at", "p90_at", *_UNBEGUN)
"""What is told by column: all fields of a job."""


async def snapshot(
    desk: Desk, who: Caller, listener: Listener, why: str, *, has_table: bool
) -> AsyncGenerator[bytes, None]:
    """Yield everything there is, row by row as it is read: what is sent is never gathered whole.

    A row may be newer than `ready` says: the events that follow say the same again. `has_table`: jobs that have never
    begun, of which there may be very many that are much alike, come by column.
    """
    feed, wants = desk.feed, listener.wants
    await feed.warm_up()
    at = feed.position
    listener.seen = at.number
    yield encoded("reset", {"why": why, "epoch": at.epoch, "number": at.number})
    async with _turn(feed):
        ids = sorted(wants.job_ids) or _live_ids(desk, who, wants.user)
        priorities = desk.listing.priorities() if has_table else {}
        cluster = b"" if wants.job_ids else _cluster(desk, who)
    yield cluster
    for begin in range(0, len(ids), _COLUMNS_AT_A_TIME):
        piece = ids[begin : begin + _COLUMNS_AT_A_TIME]
        if has_table:
            async with _turn(feed):
                rows = _fresh(desk, who, piece, priorities)
                table = encoded("table", by_column(FIELDS, list(rows.values()))) if rows else b""
            yield table
            piece = [job_id for job_id in piece if job_id not in rows]
        for first in range(0, len(piece), _ROWS_AT_A_TIME):
            async with _turn(feed):
                jobs = desk.jobs.jobs_of(piece[first : first + _ROWS_AT_A_TIME])
                seen = [views.whole(desk, job) for job in jobs if may_see(who, job.user)]
                text = encoded("jobs", {"jobs": seen})
            yield text
    yield encoded("ready", {"jobs": len(ids)}, at)


@asynccontextmanager
async def _turn(feed: Feed) -> AsyncGenerator[None]:
    """Let one stream at a time make a part of its beginning, and every other request be answered in between."""
    async with feed.turn:
        yield
        await asyncio.sleep(0)


def _cluster(desk: Desk, who: Caller) -> bytes:
    gpus = {"gpus": [seen_gpu(who, gpu) for gpu in desk.feed.gpus], "gone": [], "is_whole": True}
    return encoded("cluster", seen_cluster(who, desk, desk.cluster())) + encoded("gpus", gpus)


def _live_ids(desk: Desk, who: Caller, user: str | None) -> list[int]:
    """Return all live jobs, or one user's: how many there are of those that are not `who`'s to see is not told."""
    return desk.jobs.live_ids(user if sees_everything(who) else who.owner.user) if may_see(who, user) else []


def _fresh(desk: Desk, who: Caller, ids: Sequence[int], priorities: Mapping[int, int]) -> dict[int, tuple[Any, ...]]:
    """Return by id the fields of those of the jobs that have never begun, as they were told last."""
    told = {job_id: one for job_id in ids if (one := desk.feed.told(job_id)) is not None and one.is_fresh}
    origins = desk.jobs.origins(told)
    rows = dict[int, tuple[Any, ...]]()
    for job_id, one in told.items():
        if job_id in origins and may_see(who, one.user):
            estimate = desk.estimate(job_id)
            starts = (None, None) if estimate is None else (estimate.p50_at, estimate.p90_at)
            rest = (priorities.get(job_id), *starts, *_UNBEGUN.values())
            rows[job_id] = (job_id, *one.values, *origins[job_id], *rest)
    return rows
