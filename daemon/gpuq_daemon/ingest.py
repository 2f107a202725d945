"""Carries what attempts write into the stores: the driver's reports, and the points of event files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from gpuq.errors import FullError, UnavailableError
from gpuq_daemon.clock import Clock
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.collectors.reports import read_reports
from gpuq_daemon.places import Place
from gpuq_daemon.policy.lifecycle import Reported
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.metrics import MetricsStore
from gpuq_daemon.vitals import Vitals

logger = logging.getLogger(__name__)

_BYTES_A_LOOK = 8 * 1024 * 1024


class Ingest:
    """Takes in what is new; what was taken in before a restart is not taken in twice."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        metrics: MetricsStore,
        place: Callable[[ActiveAttempt], Place],
        clock: Clock,
        vitals: Vitals,
        placed: Callable[[ActiveAttempt, Mapping[int, str]], Mapping[int, str]],
    ) -> None:
        """`placed` are the nodes of an attempt's ranks as its engine knows them, given what the ranks told."""
        self._clock = clock
        self._vitals = vitals
        self._jobs = jobs
        self._placed = placed
        self._metrics = metrics
        self._place = place
        self._followers: dict[tuple[int, int], EventFileFollower] = {}
        self._behind: dict[tuple[int, int], UnavailableError] = {}

    async def take_in(self, attempt: ActiveAttempt) -> bool:
        """Read what the attempt has written since the last look; return whether there was anything."""
        with self._vitals.looks.timed():
            return await self._take_in(attempt)

    async def _take_in(self, attempt: ActiveAttempt) -> bool:
        reported = await asyncio.to_thread(
            read_reports, self._place(attempt).reports, attempt.reports_offset, attempt.rank_count
        )
        if reported.offset > attempt.reports_offset:
            await self._jobs.record(attempt.job_id, attempt.number, self._on_known_nodes(reported, attempt))
        has_points = await self._take_points(attempt)
        return has_points or reported.offset > attempt.reports_offset

    async def _take_points(self, attempt: ActiveAttempt) -> bool:
        """Whatever is wrong with points must not hold up the job's end, and with it its GPUs."""
        key = (attempt.job_id, attempt.number)
        try:
            has_points = await asyncio.to_thread(self._points, attempt)
        except UnavailableError as error:
            if key not in self._behind or str(error) != str(self._behind[key]):
                logger.warning("points were not taken in", extra={"job_id": attempt.job_id, "error": str(error)})
            self._behind[key] = error
        except Exception:
            logger.exception("points were not taken in", extra={"job_id": attempt.job_id})
        else:
            self._behind.pop(key, None)
            return has_points
        return False

    async def drain(self, attempt: ActiveAttempt) -> None:
        """Take in everything up to the ends of the files; for an attempt that writes no more.

        Raises:
            FullError: there is no room for it now. Nothing is started without room, so that the GPUs may wait for it.
        """
        while await self.take_in(self._jobs.active_attempt(attempt.job_id)):
            pass
        behind = self._behind.get((attempt.job_id, attempt.number))
        if isinstance(behind, FullError):
            raise behind

    def forget(self, attempt: ActiveAttempt) -> None:
        """Close what was kept open for the attempt."""
        self._followers.pop((attempt.job_id, attempt.number), None)
        self._behind.pop((attempt.job_id, attempt.number), None)

    def _on_known_nodes(self, reported: Reported, attempt: ActiveAttempt) -> Reported:
        """Return the report with nodes as the engine knows them: what a job says must not make GPUs seem free."""
        placed = self._placed(attempt, {rank.rank: rank.node for rank in reported.ranks if rank.node is not None})
        ranks = tuple(replace(rank, node=placed.get(rank.rank)) for rank in reported.ranks)
        return replace(reported, ranks=ranks)

    def _points(self, attempt: ActiveAttempt) -> bool:
        """Store new points; a follower whose batch was not stored is not kept, so that it is read again."""
        key = (attempt.job_id, attempt.number)
        follower = self._followers.pop(key, None) or EventFileFollower(
            *key, self._place(attempt).events, self._metrics.positions(*key)
        )
        batch = follower.poll(_BYTES_A_LOOK)
        if batch.is_empty or self._metrics.append(batch):
            self._followers[key] = follower
        newest = max((points.last[1] for points in batch.scalars.values() if points), default=None)
        if newest is not None:
            self._vitals.point_age.record(max(0.0, self._clock.now() - newest))
        return not batch.is_empty
