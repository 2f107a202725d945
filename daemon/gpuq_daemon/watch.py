"""Looks after one attempt from its start to the proof that nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gpuq.coming_up import coming_up
from gpuq.models import EndReason, JobState, Signal, SignalKind
from gpuq_daemon.backends.base import Engine, TellsLastWords
from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import Clock
from gpuq_daemon.config import Config
from gpuq_daemon.dispatch import Dispatcher, LaunchError, text_of
from gpuq_daemon.hooks.job_hooks import JobHooks
from gpuq_daemon.hooks.node_hooks import tries_left
from gpuq_daemon.ingest import Ingest
from gpuq_daemon.policy.lifecycle import Event, Intent, Verdict, end_of, grace_s, tried_again, verdict
from gpuq_daemon.policy.silence import silent_since
from gpuq_daemon.processes import ProcessId, open_pidfd
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import JobStore
from gpuq_job.orders import Order

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_RECLAIM_PAUSE_S = 0.5
_NO_NODES = (EndReason.RESERVATION_TIMEOUT,)
_PACE_EVERY_S = 10.0
_RECLAIM_COMPLAINT_AFTER = 20
_ORDERS = {Intent.CANCEL: Order.CANCELLED, Intent.REQUEUE: Order.REQUEUED, Intent.PREEMPT: Order.PREEMPTED}


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
        config: Config,
        hooks: JobHooks,
        pace: Callable[[int, int], Sequence[float]],
    ) -> None:
        """`signals` are what the points of a job say; `pace` when an attempt's newest were made, in order."""
        self._pace = pace
        self._silent: dict[int, float] = {}
        self._paced_at: dict[int, float] = {}
        self._config = config
        self._hooks = hooks
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
        self._asked: set[tuple[int, int, Order]] = set()
        self._unheard: set[tuple[int, int, Order]] = set()
        self._ends_at: dict[tuple[int, int], float] = {}
        self._nudges: dict[int, asyncio.Event] = {}

    def nudge(self, job_id: int) -> None:
        """Make the job's course look at its intent now."""
        if job_id in self._nudges:
            self._nudges[job_id].set()

    def silent_since(self, job_id: int) -> float | None:
        """Return since when nothing has come from a running job, if that is longer than its pace explains."""
        return self._silent.get(job_id)

    def hurry(self, job_id: int) -> None:
        """End a job that is being ended without waiting for it to stop by itself."""
        for key in self._ends_at:
            if key[0] == job_id:
                self._ends_at[key] = 0.0
        self.nudge(job_id)

    async def order(self, job_id: int, order: Order) -> bool:
        """Give an order to the driver of a running job; return whether it was there to hear."""
        attempt, driver_pid = self._jobs.active_attempt(job_id), self._jobs.job(job_id).driver_pid
        if driver_pid is None:
            return False
        engine = self._engines[attempt.partition]
        return await asyncio.to_thread(engine.order, attempt.token, driver_pid, order)

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
        if is_new and self._hooks.has_prolog:
            await self._prepare(attempt)
            attempt = self._jobs.active_attempt(job_id)
        try:
            code = self._jobs.code(attempt.code_sha256) if is_new and attempt.code_sha256 is not None else None
            shim = await asyncio.to_thread(self._dispatcher.ensure_started, attempt, code)
        except LaunchError as error:
            logger.warning("not launched", extra={"job_id": job_id, "error": str(error)})
            failed = Verdict(event=Event.GONE_FAILED, exit_code=1, reason=EndReason.NOT_STARTED, error=str(error))
            await self._clear_away(attempt)
            await self._finish(attempt, failed, None)
            return
        ran_s = None
        if shim is not None:
            await self._jobs.led_by(job_id, attempt.number, text_of(shim))
            logger.info("launched" if is_new else "found again", extra={"job_id": job_id, "shim_pid": shim.pid})
            ran_s = await self._follow(attempt, shim)
        await self._ingest.take_in(attempt)
        missing = await self._missing(self._jobs.active_attempt(job_id))
        await self._clear_away(self._jobs.active_attempt(job_id))
        await self._ingest.drain(attempt)  # now that nobody is left who could write
        end = await asyncio.to_thread(self._dispatcher.driver_end, attempt)
        attempt = self._jobs.active_attempt(job_id)
        ran_s = end.ran_s if ran_s is None else ran_s
        was_asked = self._grace_s(attempt) > 0
        tries = tries_left(attempt.retries_left, attempt.number, was_unfit=self._was_unfit(attempt))
        ending = tried_again(verdict(attempt.intent, attempt.outcome, end, was_asked=was_asked), tries)
        await self._finish(attempt, self._explained(attempt, missing(ending)), end.ended_at, ran_s)

    def _was_unfit(self, attempt: ActiveAttempt) -> bool:
        """Whether a program of the site's has found a node of the attempt ill before the user's function began."""
        return attempt.running_at is None and any(
            one.attempt == attempt.number and one.kind is SignalKind.PROLOG for one in self._signals(attempt.job_id)
        )

    async def _prepare(self, attempt: ActiveAttempt) -> None:
        """Run the prolog, unless somebody ends the attempt meanwhile. Where it fails the job waits again, held."""
        if attempt.intent is not None or await asyncio.to_thread(self._dispatcher.is_claimed, attempt):
            return
        prolog = asyncio.ensure_future(self._hooks.before(attempt))
        try:
            while not prolog.done():
                await asyncio.wait((prolog,), timeout=_TICK_S)
                if self._jobs.active_attempt(attempt.job_id).intent is not None:
                    return
        finally:
            prolog.cancel()
            await asyncio.wait((prolog,))
        if not prolog.result():
            await self._jobs.requeue(attempt.job_id, is_held=True)
            self._bell.ring(attempt.job_id)

    async def _missing(self, attempt: ActiveAttempt) -> Callable[[Verdict], Verdict]:
        """Return what puts into a verdict which nodes did not come up, and what they said last."""
        if attempt.intent is not Intent.NO_NODES:
            return lambda ending: ending
        job, engine = self._jobs.job(attempt.job_id), self._engines[attempt.partition]
        said = coming_up(job.rank_count, job.nodes, [rank.node for rank in job.ranks])
        known = [rank.executor_id for rank in job.ranks if rank.executor_id is not None]
        words: tuple[str, ...] = ()
        if isinstance(engine, TellsLastWords):
            words = await asyncio.to_thread(engine.last_words, attempt.token, attempt.application_id, known)
        error = f"given up after {self._config.configuring_limit_s:g} s: {said}"
        return lambda ending: replace(ending, error=error, tail=words) if ending.reason in _NO_NODES else ending

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
        await self._listen_for_silence(attempt)
        near = self._near(attempt, shim)
        if near is not None:
            await self._ask(attempt, near)
        over = self._overdue(attempt, shim) if attempt.intent is None and attempt.outcome is None else None
        if over is not None:
            logger.info("its time is over", extra={"job_id": job_id, "why": over.value})
            await self._jobs.intend(job_id, over, now=self._clock.now())
            self._bell.ring(job_id)
            attempt = self._jobs.active_attempt(job_id)
        if attempt.stop_on is not None and attempt.intent is None and attempt.outcome is None:
            attempt = await self._stopped(attempt)
        if attempt.intent is not None and await self._is_to_end_now(attempt, attempt.intent):
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

    async def _listen_for_silence(self, attempt: ActiveAttempt) -> None:
        """Flag a training of which nothing has come for too long, and take the flag back when something does."""
        job_id, now = attempt.job_id, self._clock.uptime()
        if attempt.running_at is None or now - self._paced_at.get(job_id, -_PACE_EVERY_S) < _PACE_EVERY_S:
            return
        self._paced_at[job_id] = now
        times = await asyncio.to_thread(self._pace, job_id, attempt.number)
        is_over = attempt.outcome is not None or attempt.intent is not None
        at, before = self._clock.now(), self._silent.get(job_id)
        since = None if is_over else silent_since(at, attempt.running_at, times, self._config.silent_after_s)
        if since is None:
            self._silent.pop(job_id, None)
        else:
            self._silent[job_id] = since
        if since != before:
            logger.info("silent" if since is not None else "speaks again", extra={"job_id": job_id, "since": since})
            self._bell.ring(job_id)

    async def _is_to_end_now(self, attempt: ActiveAttempt, intent: Intent) -> bool:
        """Return whether an attempt has had its time to stop by itself; with the first look that begins."""
        if attempt.outcome is not None or not self._grace_s(attempt):
            return True
        key = (attempt.job_id, attempt.number)
        if key not in self._ends_at:
            self._ends_at[key] = self._clock.uptime() + self._grace_s(attempt)
        await self._ask(attempt, _ORDERS[intent])
        return self._clock.uptime() >= self._ends_at[key]

    def _grace_s(self, attempt: ActiveAttempt) -> float:
        """Return how long an attempt that is to end may go on; what has not begun has nothing to save."""
        if attempt.intent is None or attempt.running_at is None:
            return 0.0
        return grace_s(attempt.intent, attempt.signal_s, self._config.preempt_grace_s)

    def _near(self, attempt: ActiveAttempt, shim: ProcessId) -> Order | None:
        """Return which of its times the script is to be told of, since it is near."""
        if attempt.signal_s is None or attempt.outcome is not None or attempt.intent is not None:
            return None
        limit, deadline = attempt.time_limit_s, attempt.deadline
        if limit is not None and self._ran_s(shim) >= limit - attempt.signal_s:
            return Order.TIME_LIMIT
        if deadline is not None and self._clock.now() >= deadline - attempt.signal_s:
            return Order.DEADLINE
        return None

    async def _ask(self, attempt: ActiveAttempt, order: Order) -> None:
        """Ask the script to stop, until it was heard once for a reason."""
        key = (attempt.job_id, attempt.number, order)
        if key in self._asked or attempt.running_at is None:
            return
        was_heard = await self.order(attempt.job_id, order)
        if was_heard:
            self._asked.add(key)
        if was_heard or key not in self._unheard:
            logger.info("asked to stop", extra={"job_id": attempt.job_id, "why": order.value, "was_heard": was_heard})
        if not was_heard:
            self._unheard.add(key)

    def _overdue(self, attempt: ActiveAttempt, shim: ProcessId) -> Intent | None:
        """Return which of its times is over: its limit, that for its nodes to come up, or its deadline."""
        if attempt.time_limit_s is not None and self._ran_s(shim) >= attempt.time_limit_s:
            return Intent.TIMEOUT
        if attempt.state is JobState.CONFIGURING and self._ran_s(shim) >= self._config.configuring_limit_s:
            return Intent.NO_NODES
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
        await self._hooks.after(attempt, ending)
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
        for told in (self._asked, self._unheard):
            told -= {key for key in told if key[0] == attempt.job_id}
        self._ends_at.pop((attempt.job_id, attempt.number), None)
        self._silent.pop(attempt.job_id, None)
        self._paced_at.pop(attempt.job_id, None)
        self._released(attempt.job_id)
