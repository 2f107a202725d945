"""Looks after one attempt from its start to the proof that nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gpuq.models import JobState, Signal
from gpuq_daemon.backends.base import Engine
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.dispatch import Dispatcher, LaunchError, text_of
from gpuq_daemon.ingest import Ingest
from gpuq_daemon.policy.lifecycle import Event, Intent, Verdict, end_of, verdict
from gpuq_daemon.processes import ProcessId, open_pidfd
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import JobStore

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_RECLAIM_PAUSE_S = 0.5
_RECLAIM_COMPLAINT_AFTER = 20


class Watch:
    """The course of active attempts, one coroutine each."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        dispatcher: Dispatcher,
        ingest: Ingest,
        engines: Mapping[str, Engine],
        clock: Clock,
        bell: Bell,
        released: Callable[[int], None],
        moved: Callable[[int], None],
        rate_of: Callable[[int], float],
        half_life_s: Callable[[], float],
        signals: Callable[[int], Sequence[Signal]],
    ) -> None:
        """`signals` are what the points of a job say."""
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._ingest = ingest
        self._engines = engines
        self._clock = clock
        self._bell = bell
        self._released = released
        self._moved = moved
        self._rate_of = rate_of
        self._half_life_s = half_life_s
        self._signals = signals
        self._warned: set[tuple[int, int]] = set()
        self._nudges: dict[int, asyncio.Event] = {}

    def nudge(self, job_id: int) -> None:
        """Make the job's course look at its intent now."""
        if job_id in self._nudges:
            self._nudges[job_id].set()

    async def run(self, job_id: int) -> None:
        """Bring the job's current attempt from wherever it is to its end."""
        self._nudges[job_id] = asyncio.Event()
        try:
            await self._run(job_id)
        finally:
            del self._nudges[job_id]

    async def _run(self, job_id: int) -> None:
        attempt = self._jobs.active_attempt(job_id)
        is_new = attempt.shim is None
        try:
            shim = await asyncio.to_thread(self._dispatcher.ensure_started, attempt)
        except LaunchError as error:
            logger.warning("not launched", extra={"job_id": job_id, "error": str(error)})
            failed = Verdict(event=Event.GONE_FAILED, exit_code=1, error=str(error))
            await self._clear_away(attempt)
            await self._finish(attempt, failed, None)
            return
        ran_s = None
        if shim is not None:
            await self._jobs.led_by(job_id, attempt.number, text_of(shim))
            logger.info("launched" if is_new else "found again", extra={"job_id": job_id, "shim_pid": shim.pid})
            ran_s = await self._follow(attempt, shim)
        await self._ingest.take_in(attempt)
        await self._clear_away(self._jobs.active_attempt(job_id))
        await self._ingest.drain(attempt)  # now that nobody is left who could write
        end = await asyncio.to_thread(self._dispatcher.driver_end, attempt)
        attempt = self._jobs.active_attempt(job_id)
        ran_s = end.ran_s if ran_s is None else ran_s
        ending = self._explained(attempt, verdict(attempt.intent, attempt.outcome, end))
        await self._finish(attempt, ending, end.ended_at, ran_s)

    async def _follow(self, attempt: ActiveAttempt, shim: ProcessId) -> float | None:
        """Take in what the attempt writes until its shim has ended; return how long that ran, None if it is gone."""
        nudge = self._nudges[attempt.job_id]
        gone = asyncio.Event()
        try:
            pidfd = open_pidfd(shim)
        except ProcessLookupError:
            return None
        loop = asyncio.get_running_loop()

        ran_for = list[float]()

        def ended() -> None:
            ran_for.append(self._ran_s(shim))
            loop.remove_reader(pidfd)
            gone.set()
            nudge.set()

        loop.add_reader(pidfd, ended)
        try:
            while not gone.is_set():
                await self._look(attempt.job_id, shim)
                try:
                    await asyncio.wait_for(nudge.wait(), _TICK_S)
                except TimeoutError:
                    continue
                nudge.clear()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        return ran_for[0] if ran_for else None

    async def _look(self, job_id: int, shim: ProcessId) -> None:
        """Take in what is new, and end the attempt if its time is up or somebody wants it."""
        attempt = self._jobs.active_attempt(job_id)
        if await self._ingest.take_in(attempt):
            self._bell.ring(job_id)
            if attempt.state is JobState.CONFIGURING:
                self._moved(job_id)
        if self._is_to_be_warned(attempt, shim):
            await self._warn(attempt)
        over = self._overdue(attempt, shim) if attempt.intent is None and attempt.outcome is None else None
        if over is not None:
            logger.info("its time is over", extra={"job_id": job_id, "why": over.value})
            await self._jobs.intend(job_id, over, now=self._clock.now())
            self._bell.ring(job_id)
            attempt = self._jobs.active_attempt(job_id)
        if attempt.stop_on is not None and attempt.intent is None and attempt.outcome is None:
            attempt = await self._stopped(attempt)
        if attempt.intent is not None:
            self._dispatcher.end(shim)

    async def _stopped(self, attempt: ActiveAttempt) -> ActiveAttempt:
        """Return the attempt, which is to end now if its points say something that its owner wants it to end on."""
        signal = self._stopping(attempt)
        if signal is None:
            return attempt
        logger.info("stopped by its points", extra={"job_id": attempt.job_id, "why": signal.kind.value})
        await self._jobs.intend(attempt.job_id, Intent.CANCEL, now=self._clock.now())
        self._bell.ring(attempt.job_id)
        return self._jobs.active_attempt(attempt.job_id)

    def _stopping(self, attempt: ActiveAttempt) -> Signal | None:
        """Return what of its points ends the attempt, None where nothing does."""
        if attempt.stop_on is None:
            return None
        words = attempt.stop_on.split(",")
        found = (one for one in self._signals(attempt.job_id) if one.attempt == attempt.number and one.kind in words)
        return next(found, None)

    def _explained(self, attempt: ActiveAttempt, ending: Verdict) -> Verdict:
        """Return an end with why it came, where the points ended the attempt."""
        signal = self._stopping(attempt) if ending.event is Event.GONE_CANCELLED else None
        return ending if signal is None else replace(ending, error=f"stopped: {signal.text}")

    def _is_to_be_warned(self, attempt: ActiveAttempt, shim: ProcessId) -> bool:
        """Whether the script is to be told now that its time limit is near."""
        if attempt.signal_s is None or attempt.time_limit_s is None or attempt.outcome is not None:
            return False
        is_near = self._ran_s(shim) >= attempt.time_limit_s - attempt.signal_s
        return is_near and (attempt.job_id, attempt.number) not in self._warned

    async def _warn(self, attempt: ActiveAttempt) -> None:
        self._warned.add((attempt.job_id, attempt.number))
        pids = [rank.pid for rank in self._jobs.job(attempt.job_id).ranks if rank.pid is not None]
        told = await asyncio.to_thread(self._engines[attempt.partition].warn, attempt.token, pids)
        logger.info("warned of the time limit", extra={"job_id": attempt.job_id, "processes": told})

    def _overdue(self, attempt: ActiveAttempt, shim: ProcessId) -> Intent | None:
        """Return which of its times is over: its limit, or its deadline where it has no limit that ends before."""
        if attempt.time_limit_s is not None and self._ran_s(shim) >= attempt.time_limit_s:
            return Intent.TIMEOUT
        return Intent.DEADLINE if attempt.deadline is not None and self._clock.now() >= attempt.deadline else None

    def _ran_s(self, shim: ProcessId) -> float:
        """Return for how long the attempt runs, by the clock that nobody can set."""
        return max(0.0, self._clock.uptime() - shim.start_time / _TICKS_A_S)

    async def _clear_away(self, attempt: ActiveAttempt) -> None:
        """Return when it is proven that nothing of the attempt is left: only then its GPUs may be handed on."""
        await self._jobs.driver_ended(attempt.job_id)
        self._bell.ring(attempt.job_id)
        engine = self._engines[attempt.partition]
        looks = 0
        while left := await asyncio.to_thread(engine.reclaim, attempt.token, attempt.application_id):
            looks += 1
            if looks % _RECLAIM_COMPLAINT_AFTER == 0:
                logger.warning("not gone yet", extra={"job_id": attempt.job_id, "left": left})
            await asyncio.sleep(_RECLAIM_PAUSE_S)

    async def _finish(
        self, attempt: ActiveAttempt, ending: Verdict, ended_at: float | None, ran_s: float | None = None
    ) -> None:
        """Account for the attempt and free its GPUs."""
        ended_at = end_of(attempt.started_at, said=ended_at, now=self._clock.now(), ran_s=ran_s)
        await self._jobs.finish(
            attempt.job_id,
            ending,
            ended_at=ended_at,
            rate=self._rate_of(attempt.job_id),
            half_life_s=self._half_life_s(),
        )
        logger.info("ended", extra={"job_id": attempt.job_id, "end": ending.event.value})
        self._ingest.forget(attempt)
        self._bell.ring(attempt.job_id)
        self._warned.discard((attempt.job_id, attempt.number))
        self._released(attempt.job_id)
