"""Keeps an estimate of its start for every pending job, and writes down what was promised and what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from gpuq.errors import GpuqError, UsageError
from gpuq.models import Way
from gpuq_daemon.aside import Aside
from gpuq_daemon.clock import Clock
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.forecast.packing import Run, Scene, plain
from gpuq_daemon.forecast.questions import Ahead, Changed, Estimated, Estimates, Sooner, WhatIf
from gpuq_daemon.forecast.sooner import anchored
from gpuq_daemon.forecast.what_if import shifted
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.estimates import EstimateStore, Promised
from gpuq_daemon.store.runs import RunStore

logger = logging.getLogger(__name__)

_FIRST_S = 10.0  # after a job has come that nothing was said of yet
_UNCHANGED = 10  # times longer until the next estimate where nothing has happened
_SHARE = 20  # of one core's time at most a twentieth is for this
_BUDGET_S = 30.0
_ASKED_BUDGET_S = 15.0  # somebody waits for the answer
_MOVED = 0.1  # of the time to the start: a promise that moves by less is the same one
_MOVED_S = 60.0
_KEEP_S = 90 * 86_400.0
_LOOK_EVERY_S = 2.0


class Queue(Protocol):
    """The scheduler, as far as this asks it. `changes` grows with whatever may change who starts."""

    changes: int

    def scene(self) -> Scene:
        """Return all that the next pass would be decided by."""
        ...

    def decided_by(self, accounts: AccountStore) -> Snapshot:
        """Return the world without its jobs as it would be if operators had decided what `accounts` says."""
        ...

    def has_pending(self) -> bool:
        """Return whether anybody waits."""
        ...

    def is_pending(self, job_id: int) -> bool:
        """Return whether the job waits."""
        ...

    def is_held(self, job_id: int) -> bool:
        """Return whether the job waits and somebody holds it."""
        ...


class Forecaster:
    """Estimates anew after the queue has changed, at a low rate; `every_s` 0 is never."""

    def __init__(
        self,
        *,
        aside: Aside,
        scheduler: Queue,
        runs: RunStore,
        promises: EstimateStore,
        clock: Clock,
        every_s: Callable[[], float],
        half_life_s: Callable[[], float],
        seed: Callable[[], int],
    ) -> None:
        self._aside = aside
        self._scheduler = scheduler
        self._runs = runs
        self._promises = promises
        self._clock = clock
        self._every_s = every_s
        self._half_life_s = half_life_s
        self._seed = seed
        self._known: dict[int, Estimate] = {}
        self._seen = -1
        self._next_at = 0.0
        self._first_at: float | None = None

    def estimate(self, job_id: int) -> Estimate | None:
        """Return when a pending job is thought to start, as of the last time that was asked; None is not known.

        Nothing is said of one that is held: it may be so since then.
        """
        return None if self._scheduler.is_held(job_id) else self._known.get(job_id)

    def estimates(self) -> dict[int, Estimate]:
        """Return the same of all jobs of which it is known, by job."""
        return {job_id: one for job_id, one in self._known.items() if not self._scheduler.is_held(job_id)}

    async def run(self) -> None:
        """Estimate whenever it is due, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                if self._is_due():
                    await self._round()
            except GpuqError as error:
                logger.warning("starts could not be estimated", extra={"reason": str(error)})
                self._next_at = self._clock.uptime() + 60.0
            except Exception:
                logger.exception("starts could not be estimated")
                self._next_at = self._clock.uptime() + 600.0

    async def now(self) -> None:
        """Estimate at once, whatever was estimated before.

        Raises:
            UnavailableError: it cannot be done.
        """
        scene = self._scheduler.scene()
        found = await self._estimated(scene)
        self._known = {one.job_id: one for one in found.estimates}
        every_s = self._every_s() or _FIRST_S
        self._next_at = self._clock.uptime() + max(every_s, _SHARE * found.cpu_s)
        self._first_at = None
        await self._promises.note(self._news(found.estimates, scene.snapshot.now))

    async def estimate_with(self, job: PendingJob) -> Estimate | None:
        """Return when a job would start if it were queued now; nothing is.

        Raises:
            UnavailableError: it cannot be done.
        """
        scene = self._scheduler.scene()
        there = replace(scene.snapshot, pending=(*scene.snapshot.pending, job))
        found = await self._estimated(replace(scene, snapshot=there))
        return next((one for one in found.estimates if one.job_id == job.job_id), None)

    async def sooner(self, job_id: int) -> tuple[Way, ...]:
        """Return how a pending job would start as it is, and what would let it start sooner.

        Raises:
            UnavailableError: it cannot be found out.
        """
        scene = self._scheduler.scene()
        ways = await self._aside.ask(Sooner(await self._played(scene, _ASKED_BUDGET_S), job_id), tuple[Way, ...])
        told = self._known.get(job_id)
        return ways if told is None else anchored(ways, told.p50_at, scene.snapshot.now)

    async def what_if(self, line: str) -> Changed:
        """Return who would start at another time if a line came true; nothing is changed.

        Raises:
            UsageError: the line is not understood.
            UnavailableError: it cannot be found out.
        """
        asked = WhatIf(await self._played(self._scheduler.scene(), _ASKED_BUDGET_S), line=line)
        found = await self._aside.ask(asked, Changed)
        if found.refusal is not None:
            raise UsageError(found.refusal)
        return self._anchored(found)

    async def what_if_decided(self, accounts: AccountStore) -> Changed:
        """Return who would start at another time if operators had decided what `accounts` says.

        Raises:
            UnavailableError: it cannot be found out.
        """
        scene, world = self._scheduler.scene(), self._scheduler.decided_by(accounts)
        asked = WhatIf(await self._played(scene, _ASKED_BUDGET_S), world=plain(world))
        return self._anchored(await self._aside.ask(asked, Changed))

    def _anchored(self, found: Changed) -> Changed:
        """Return the change with starts as they are estimated elsewhere, and moved by as much."""
        now = self._clock.now()
        known = {job_id: one.p50_at for job_id, one in self._known.items()}
        return Changed(tuple(shifted(one, known.get(one.job_id), now) for one in found.moved), None, found.is_whole)

    def promised_since(self, at: float) -> list[Promised]:
        """Return what was promised since a moment, and what came of it."""
        return self._promises.since(at)

    async def _estimated(self, scene: Scene) -> Estimated:
        return await self._aside.ask(Estimates(await self._played(scene, _BUDGET_S)), Estimated)

    async def _played(self, scene: Scene, budget_s: float) -> Ahead:
        """Return what a queue is played forward from, with the jobs of the past."""
        came = await asyncio.to_thread(self._runs.latest)
        runs = tuple(Run(job=job, ran_s=ran_s) for job, ran_s in came)
        return Ahead(scene, runs, self._seed(), self._half_life_s(), budget_s)

    def _is_due(self) -> bool:
        """Return whether somebody waits, something has changed, and the last time is long enough ago."""
        every_s, now = self._every_s(), self._clock.uptime()
        if not every_s:
            self._known.clear()
            return False
        if not self._scheduler.has_pending() and not self._promises.last:
            self._known.clear()
            return False
        if self._scheduler.changes != self._seen and self._first_at is None:
            self._first_at = now + _FIRST_S
        is_first = self._first_at is not None and now >= self._first_at and now >= self._next_at
        return is_first or now >= self._next_at + (_UNCHANGED - 1) * every_s

    async def _round(self) -> None:
        self._seen = self._scheduler.changes
        self._first_at = None
        await self._settle()
        if self._scheduler.has_pending():
            await self.now()
        else:
            self._known.clear()
            self._next_at = self._clock.uptime() + self._every_s()
        await self._promises.forget(self._clock.now() - _KEEP_S)

    async def _settle(self) -> None:
        """Note what came of promises to jobs that wait no longer."""
        gone = [job_id for job_id in self._promises.last if not self._scheduler.is_pending(job_id)]
        if gone:
            starts = await asyncio.to_thread(self._runs.first_starts, gone[:500])
            await self._promises.settle(starts, now=self._clock.now())

    def _news(self, found: Iterable[Estimate], now: float) -> list[Promised]:
        """Return the promises that are not the same as what was promised before."""
        return [
            Promised(job_id=one.job_id, made_at=now, p50_at=one.p50_at, p90_at=one.p90_at)
            for one in found
            if one.p50_at is not None and self._is_other(one, now)
        ]

    def _is_other(self, one: Estimate, now: float) -> bool:
        before = self._promises.last.get(one.job_id)
        if before is None:
            return True
        pairs = ((before.p50_at, one.p50_at), (before.p90_at, one.p90_at))
        return any(
            (old is None) != (new is None)
            or (old is not None and new is not None and abs(new - old) > _MOVED_S + _MOVED * max(0.0, old - now))
            for old, new in pairs
        )
