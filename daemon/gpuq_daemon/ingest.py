"""Carries what attempts write into the stores: the driver's reports, and the points of event files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace

from gpuq.models import Rank, RankState
from gpuq_daemon.collectors.reports import read_reports
from gpuq_daemon.places import Place
from gpuq_daemon.points import Points
from gpuq_daemon.policy.lifecycle import Unfit
from gpuq_daemon.sampled import Sampled
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.vitals import Vitals


class Ingest:
    """Takes in what is new; what was taken in before a restart is not taken in twice."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        points: Points,
        sampled: Sampled,
        place: Callable[[ActiveAttempt], Place],
        vitals: Vitals,
        placed: Callable[[ActiveAttempt, Mapping[int, str]], Mapping[int, str]],
        containers: Callable[[ActiveAttempt], Mapping[str, str | None] | None],
        unfit: Callable[[ActiveAttempt, Collection[str], str | None, Unfit], Awaitable[None]],
    ) -> None:
        """`placed` are the nodes of an attempt's ranks as its engine knows them, given what the ranks told.

        `containers` are those that its engine says an attempt has, with their nodes; None where none can say.
        `unfit` is told of programs of the site's that failed, with the nodes that the attempt holds and the one that it
        was on, as the engine knows them.
        """
        self._points = points
        self._sampled = sampled
        self._vitals = vitals
        self._jobs = jobs
        self._placed = placed
        self._containers = containers
        self._unfit = unfit
        self._place = place

    async def take_in(self, attempt: ActiveAttempt) -> bool:
        """Read what the attempt has written since the last look; return whether there was anything."""
        with self._vitals.looks.timed():
            return await self._take_in(attempt)

    async def _take_in(self, attempt: ActiveAttempt) -> bool:
        has_reports = await self._take_reports(attempt)
        is_otherwise = await self._sampled.take_in(attempt)
        return await self._points.take_in(attempt) or has_reports or is_otherwise

    async def _take_reports(self, attempt: ActiveAttempt) -> bool:
        reported = await asyncio.to_thread(
            read_reports, self._place(attempt).reports, attempt.reports_offset, attempt.rank_count
        )
        if reported.offset == attempt.reports_offset:
            return False
        ranks = self._on_known_nodes(reported.ranks, attempt)
        if any(_is_new(rank) for rank in ranks):
            there = await asyncio.to_thread(self._containers, attempt)
            ranks = ranks if there is None else tuple(checked(rank, there) for rank in ranks)
        held = {*attempt.nodes, *(rank.node for rank in ranks if rank.node is not None)}  # an engine may choose others
        for one in reported.unfit:  # before it counts as read: a gpuqd that is killed in between does it again
            node = self._placed(attempt, {one.rank: one.node or ""}).get(one.rank)
            await self._unfit(attempt, held, node, one)
        await self._jobs.record(attempt.job_id, attempt.number, replace(reported, ranks=ranks))
        return True

    async def drain(self, attempt: ActiveAttempt) -> None:
        """Take in everything up to the ends of the files; for an attempt that writes no more.

        Raises:
            FullError: there is no room for it now. Nothing is started without room, so that the GPUs may wait for it.
        """
        while await self._take_reports(self._jobs.active_attempt(attempt.job_id)):
            pass
        await self._points.drain(attempt)

    def forget(self, attempt: ActiveAttempt) -> None:
        """Close what was kept open for the attempt."""
        self._points.forget(attempt)
        self._sampled.forget(attempt)

    def _on_known_nodes(self, ranks: Iterable[Rank], attempt: ActiveAttempt) -> tuple[Rank, ...]:
        """Return ranks with nodes as the engine knows them: what a job says must not make GPUs seem free."""
        told = tuple(ranks)
        placed = self._placed(attempt, {rank.rank: rank.node for rank in told if rank.node is not None})
        return tuple(replace(rank, node=placed.get(rank.rank)) for rank in told)


def _is_new(rank: Rank) -> bool:
    """Whether a rank is in a container that must be there, if it is what it says."""
    return rank.container_id is not None and rank.state in (RankState.RESERVED, RankState.RUNNING)


def checked(rank: Rank, there: Mapping[str, str | None]) -> Rank:
    """Return a rank with what is otherwise than it says of its container; where that is, is believed of the engine."""
    if not _is_new(rank):
        return rank
    assert rank.container_id is not None
    if rank.container_id not in there:
        return replace(rank, disagrees=f"YARN has given its application no container {rank.container_id}")
    node = there[rank.container_id]
    if node is None or node == rank.node:
        return rank
    said = rank.node or "no node that there is"
    return replace(rank, node=node, disagrees=f"YARN has its container on {node}, it says {said}")
