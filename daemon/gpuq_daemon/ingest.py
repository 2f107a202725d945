"""Carries what attempts write into the stores: the driver's reports, and the points of event files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from gpuq_daemon.collectors.reports import read_reports
from gpuq_daemon.places import Place
from gpuq_daemon.points import Points
from gpuq_daemon.policy.lifecycle import Reported
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
    ) -> None:
        """`placed` are the nodes of an attempt's ranks as its engine knows them, given what the ranks told."""
        self._points = points
        self._sampled = sampled
        self._vitals = vitals
        self._jobs = jobs
        self._placed = placed
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
        await self._jobs.record(attempt.job_id, attempt.number, self._on_known_nodes(reported, attempt))
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

    def _on_known_nodes(self, reported: Reported, attempt: ActiveAttempt) -> Reported:
        """Return the report with nodes as the engine knows them: what a job says must not make GPUs seem free."""
        placed = self._placed(attempt, {rank.rank: rank.node for rank in reported.ranks if rank.node is not None})
        ranks = tuple(replace(rank, node=placed.get(rank.rank)) for rank in reported.ranks)
        return replace(reported, ranks=ranks)
