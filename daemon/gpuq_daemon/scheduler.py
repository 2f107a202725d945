"""Keeps the policy's engine in step with the store, asks it for plans, carries them out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Protocol

from gpuq.errors import UnavailableError
from gpuq.models import PriorityTerm, Reason, Why
from gpuq.sharing import LentRow
from gpuq_daemon.bell import Bell
from gpuq_daemon.clearing import Clearing
from gpuq_daemon.clock import Clock
from gpuq_daemon.forecast.packing import Scene, plain
from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.fairtree import Shares
from gpuq_daemon.policy.lent import after_a_rest, lent_by_shares, lent_by_tiers
from gpuq_daemon.policy.lifecycle import Intent
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.reasons import explain
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import NodeView, PendingJob, Plan, Snapshot, Start
from gpuq_daemon.policy.tiers.settings import NO_STATE, Tiers, TierState
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.promises import PromiseStore
from gpuq_daemon.vitals import Vitals

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0
_LEAST_PAUSE_S = 0.05
_RETRY_S = 1.0


class Recorder(Protocol):
    """Whoever keeps passes on record."""

    def tiers(self) -> TierState:
        """Return what accounts were owed before this gpuqd was started."""
        ...

    def wants(self, plan: Plan) -> bool:
        """Return whether a pass that decided this goes on record."""
        ...

    def saw(self, scene: Scene, plan: Plan) -> None:
        """Take note of a pass: what it saw, and what came of it."""
        ...


class NoRecord:
    """Keeps nothing."""

    def tiers(self) -> TierState:
        """Return nothing."""
        return NO_STATE

    def wants(self, plan: Plan) -> bool:
        """Return that it does not."""
        return False

    def saw(self, scene: Scene, plan: Plan) -> None:
        """Take no note."""


class Scheduler:
    """Decides who starts, whenever it is woken and at least every half minute.

    Changes are told by their job's number, after they are committed; what a job asks for is read from the store. It
    knows of no job before `read`, or its first pass.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        standing: Standing,
        promises: PromiseStore,
        clock: Clock,
        bell: Bell,
        nodes: Callable[[], tuple[NodeView, ...]],
        down: Callable[[], Mapping[str, str]],
        new_token: Callable[[], str],
        started: Callable[[int], None],
        recalculate_every_s: Callable[[], float],
        passed: Callable[[], None],
        recalculated: Callable[[float], None],
        stopped: Callable[[int], None] = lambda _: None,
        recorder: Recorder | None = None,
        half_life_s: Callable[[], float] = lambda: 7 * 86_400.0,
        vitals: Vitals | None = None,
    ) -> None:
        self._passes = (vitals or Vitals()).passes
        self._jobs = jobs
        self._standing = standing
        self._promises = promises
        self._clock = clock
        self._bell = bell
        self._nodes = nodes
        self._down = down
        self._new_token = new_token
        self._started = started
        self._passed = passed
        self._recalculated = recalculated
        self._stopped = stopped
        self._recorder = recorder or NoRecord()
        self._half_life_s = half_life_s
        self._every_s = recalculate_every_s
        self._woken = asyncio.Event()
        tiers = after_a_rest(self._recorder.tiers(), clock.now(), Tiers().half_life_s)
        empty = Snapshot(now=clock.now(), nodes=(), pending=(), active=(), rules=standing.rules())
        self._engine = engine_for(replace(empty, promises=promises.promises(), tiers=tiers))
        self._clearing = Clearing()
        self._recalculated_at = self._clock.uptime()
        self._is_stale = True
        self._is_planned = False
        self._arrived: list[int | PendingJob] = []
        self.touched = set[int]()  # of which something was changed, for whoever keeps what it looked like
        self._held = {job.job_id: job for job in jobs.active()}
        self._saved: dict[int, float] = {}
        self.changes = 0  # grows with whatever may change who starts

    # --- what has changed

    def read(self) -> None:
        """Read the queue, all rules and nodes, if something of them has changed, or none was read yet."""
        self._refresh()

    def submitted(self, jobs: Sequence[int | PendingJob]) -> None:
        """Take up jobs that are pending now; those of a burst together, with the next pass or question.

        Of those given by their number, what they ask for is read then.
        """
        self._arrived += jobs
        self.wake()

    def changed(self, job_id: int) -> None:
        """Look at a pending job anew: something of it was changed."""
        self._take_up()
        self.touched.add(job_id)
        self._clearing.drop(self._engine, job_id)
        for job in self._jobs.pending_of([job_id]):
            self._tell_fates(job)
            self._engine.update(job)
        self.wake()

    def removed(self, job_id: int) -> None:
        """Drop a job that was pending and has ended."""
        self._take_up()
        self._clearing.drop(self._engine, job_id)
        self._engine.remove(job_id)
        self._tell_end(job_id)
        self.wake()

    def ended(self, job_id: int) -> None:
        """Give back what a job held; if it is pending again, take it up."""
        self._take_up()
        self._held.pop(job_id, None)
        self._saved.pop(job_id, None)
        self._clearing.gone(job_id)
        fates = self._jobs.fates([job_id])
        if job_id in fates:
            self._engine.end(job_id, fates[job_id])
            self._tell_awaited(self._jobs.array_of(job_id))
        elif self._engine.has_dependents((job_id, *self._jobs.array_of(job_id))):
            self._is_stale = True  # what others wait for has not happened after all
        else:
            self._engine.stop(job_id)
            self.submitted([job_id])
        self.wake()

    def moved(self, job_id: int) -> None:
        """Look whether an active job holds other nodes than were planned: Spark may have chosen them."""
        for job in self._jobs.active_of([job_id]):
            if self._held.get(job_id) != job:
                self._held[job_id] = job
                self.rules_changed()

    def saved(self, job_id: int, at: float) -> None:
        """Note when what an active job has done was last saved: that decides who is stopped for others."""
        if job_id in self._held and self._saved.get(job_id) != at:
            self._saved[job_id] = at
            self._engine.saved(job_id, at)
            self._is_planned = False

    def rules_changed(self) -> None:
        """Take up what operators have changed, or what has become of nodes, in the next pass."""
        self._is_stale = True
        self.wake()

    def wake(self) -> None:
        """Ask for a pass, soon; until then what the last one decided is out of date."""
        self.changes += 1
        self._is_planned = False
        self._woken.set()

    # --- what others ask

    def reason(self, job_id: int) -> Reason | None:
        """Return why the last pass left the job waiting, None if it has not seen it."""
        self._plan_if_changed()
        try:
            return self._engine.reason(job_id)
        except KeyError:
            return None

    def explain(self, job_id: int, gpu_kind: str) -> Why:
        """Return why the pending job waits, from the present state of things.

        Raises:
            KeyError: the job does not wait.
        """
        self._plan_if_changed()
        return explain(self._engine, job_id, gpu_kind=gpu_kind)

    def terms(self, job_id: int) -> tuple[PriorityTerm, ...]:
        """Return every term of a pending job's priority.

        Raises:
            KeyError: the job does not wait.
        """
        self._refresh()
        return self._engine.terms(job_id)

    def outlook(self, job_id: int) -> tuple[int | None, float | None]:
        """Return a job's priority and the start it is promised; None for what it has not."""
        self._refresh()
        try:
            priority = sum(term.points for term in self._engine.terms(job_id))
        except KeyError:
            return None, None
        promise = self._engine.promise(job_id)
        return priority, promise.start_at if promise is not None and isfinite(promise.start_at) else None

    def waiting(self) -> Iterator[tuple[int, Reason, float | None]]:
        """Go through the pending jobs with their reason and the start they are promised, None without one."""
        self._plan_if_changed()
        for job_id, reason in self._engine.reasons():
            promise = self._engine.promise(job_id)
            yield job_id, reason, promise.start_at if promise is not None and isfinite(promise.start_at) else None

    def reasons(self) -> Iterator[tuple[PendingJob, Reason]]:
        """Go through the pending jobs with their reason."""
        self._plan_if_changed()
        for job_id, reason in self._engine.reasons():
            yield self._engine.pending(job_id), reason

    def outlooks(self) -> Iterator[tuple[PendingJob, Reason, int, float | None]]:
        """Go through the pending jobs with their reason, their priority and the start that they are promised."""
        self._plan_if_changed()
        for job, reason, priority in self._engine.outlooks():
            promise = self._engine.promise(job.job_id)
            yield job, reason, priority, promise.start_at if promise and isfinite(promise.start_at) else None

    def is_pending(self, job_id: int) -> bool:
        """Return whether the job waits, as far as was told."""
        return self._engine.is_pending(job_id)

    def is_held(self, job_id: int) -> bool:
        """Return whether the job waits and somebody holds it, as far as was told."""
        return self._engine.is_held(job_id)

    def has_pending(self) -> bool:
        """Return whether anybody waits, as far as was told."""
        return any(True for _ in self._engine.pending_ids())

    def test_start(self, job: PendingJob, gpu_kind: str) -> Why:
        """Return what would become of a job if it were queued now; nothing is."""
        there = self.snapshot()
        targets = {target for one in job.dependencies for target in one.targets}
        fates = {**there.fates, **self._jobs.fates(targets)}
        with_it = replace(there, pending=(*there.pending, job), fates=fates)
        return explain(with_it, job.job_id, gpu_kind=gpu_kind)

    def shares(self) -> tuple[Tree, Shares]:
        """Return the tree of accounts and the shares as of now."""
        return self._standing.tree(), self._standing.shares(self._clock.now())

    def lent(self) -> list[LentRow]:
        """Return what accounts and users have lent each other, as the policy that decides counts it."""
        now, rules = self._clock.now(), self.rules()
        if rules.tiers is None:
            tree, shares = self.shares()
            return lent_by_shares(tree, shares, self._half_life_s())
        return lent_by_tiers(self._engine.remembered()[1], now, rules.tiers.half_life_s)

    def rules(self) -> Rules:
        """Return the settings in force."""
        return self._standing.rules()

    def snapshot(self) -> Snapshot:
        """Return what the policy would see now."""
        self._refresh()
        return self._engine.snapshot(self._clock.now())

    def decided_by(self, accounts: AccountStore) -> Snapshot:
        """Return the world without its jobs as it would be if operators had decided what `accounts` says."""
        standing, now = self._standing.with_accounts(accounts), self._clock.now()
        return Snapshot(
            now=now,
            nodes=standing.drained(self._nodes()),
            pending=(),
            active=(),
            rules=standing.rules(),
            shares=standing.shares(now),
            used_gpu_s=standing.used_gpu_s(now),
            reservations=standing.reservations(now),
        )

    def scene(self) -> Scene:
        """Return all that the next pass would be decided by."""
        return Scene(snapshot=plain(self.snapshot()), reserved=self._engine.reserved())

    # --- passes

    async def run(self) -> None:
        """Make a pass whenever woken, for ever."""
        told = ""
        while True:
            try:
                await self.pass_once()
                told = ""
            except Exception as error:
                if not isinstance(error, UnavailableError):
                    logger.exception("the scheduling pass failed; the next one begins anew")
                elif str(error) != told:  # a full disk, say: it passes, and may last
                    logger.warning("a scheduling pass has to wait", extra={"error": str(error)})
                told = str(error)
                self._is_stale = True
                await asyncio.sleep(_RETRY_S)
                self.wake()
            await asyncio.sleep(_LEAST_PAUSE_S)  # a burst of changes is one pass
            try:
                await asyncio.wait_for(self._woken.wait(), min(_LONGEST_PAUSE_S, self._every_s()))
            except TimeoutError:
                continue

    async def pass_once(self) -> None:
        """Plan once, commit the starts, and hand each on to be launched."""
        self._woken.clear()
        if self._is_stale:
            self._catch_up()
        self._refresh()
        now = self._clock.now()
        if self._clock.uptime() - self._recalculated_at >= self._every_s():
            with self._passes["shares"].timed():
                self._recalculate(now)
        self._engine.set_stopped(down=self._down(), placing=self._placing())
        await self._begin(self._clearing.due(self._engine), now)
        promises, tiers = self._engine.remembered()
        with self._passes["plan"].timed():
            decided = self._engine.plan(now)
        if self._recorder.wants(decided):
            saw = replace(self._engine.snapshot(now), promises=promises, tiers=tiers)
            self._recorder.saw(Scene(snapshot=plain(saw), reserved=self._engine.reserved()), decided)
        self._is_planned = True
        self._passed()
        await self._promises.keep(decided.promises)
        for job_id in decided.expired:
            await self._expire(job_id)
        starts, leaving = self._clearing.split(decided)
        if leaving:
            await self._stop(decided, leaving, now)
        await self._begin(starts, now)

    async def _stop(self, decided: Plan, leaving: Mapping[int, set[int]], now: float) -> None:
        """Ask those to stop who are in the way, and keep what they have for whom they are stopped for."""
        for one in decided.preemptions:
            logger.info("stopped for another", extra={"job_id": one.job_id, "for_job": one.for_job})
            await self._jobs.intend(one.job_id, Intent.PREEMPT, now=now)
            self._stopped(one.job_id)
        for start in decided.starts:
            if start.job_id in leaving:
                self._clearing.keep(self._engine, start, leaving[start.job_id], now)
        for job in self._jobs.active_of(one.job_id for one in decided.preemptions):
            self._engine.stop(job.job_id)
            self._held[job.job_id] = job
            self._engine.begin(job)  # as one that is going
        self._bell.ring(*(one.job_id for one in decided.preemptions))
        self.wake()

    async def _begin(self, starts: Sequence[Start], now: float) -> None:
        """Commit starts, and hand each on to be launched."""
        if not starts:
            return
        with_tokens = [(start, self._new_token()) for start in starts]
        gpus_of = {node.name: node.gpus for node in self._nodes()}
        with self._passes["start"].timed():
            began = await self._jobs.start(with_tokens, now=now, gpus_of=gpus_of)
        for job in self._jobs.active_of(began):
            self._held[job.job_id] = job
            self._engine.stop(job.job_id)  # known already if everything was read anew since it was committed
            self._engine.begin(job)
            self._tell_awaited(self._jobs.array_of(job.job_id))
            logger.info("planned", extra={"job_id": job.job_id})
            self._started(job.job_id)
        self._bell.ring(*began)
        if len(began) < len(starts):
            self._is_stale = True  # some were cancelled while the plan was made
        self.wake()  # the others' reasons are to be found with these starts in place

    def _catch_up(self) -> None:
        """Hand on starts that were committed, but of which a pass that failed has told nobody."""
        for job in self._jobs.active():
            if job.job_id not in self._held:
                self._held[job.job_id] = job
                self._started(job.job_id)

    async def _expire(self, job_id: int) -> None:
        logger.info("missed its deadline", extra={"job_id": job_id})
        await self._jobs.intend(job_id, Intent.DEADLINE, now=self._clock.now())
        if self._jobs.pending_of([job_id]):
            self.changed(job_id)  # its deadline was moved meanwhile
        else:
            self.removed(job_id)
        self._bell.ring(job_id)

    def _recalculate(self, now: float) -> None:
        self._recalculated_at = self._clock.uptime()
        shares = self._standing.shares(now)
        self._engine.recalculate(shares, self._standing.used_gpu_s(now))
        self._recalculated(now)

    def _plan_if_changed(self) -> None:
        """Make a pass in thought only, so that what is asked about is judged as of now."""
        self._refresh()
        if not self._is_planned:
            self._is_planned = True
            with self._passes["plan when asked"].timed():
                self._engine.think(self._clock.now())

    def _refresh(self) -> None:
        """Read everything anew if something has changed that the engine was not told of one by one."""
        if not self._is_stale:
            self._take_up()
            return
        self._is_stale = False
        self._arrived.clear()  # they are among what is read
        before = self._engine.snapshot(self._clock.now())
        with self._passes["read anew"].timed():
            read = self._snapshot()
            active = tuple(replace(job, saved_at=self._saved.get(job.job_id)) for job in read.active)
            anew = replace(read, active=active, promises=before.promises, tiers=before.tiers)
            self._engine = engine_for(anew, self._engine)
            self._clearing.restore(self._engine, {job.job_id: job for job in anew.active}, anew.now)
        self._is_planned = False

    def _snapshot(self) -> Snapshot:
        """Read everything from the store."""
        now = self._clock.now()
        pending = self._jobs.pending()
        targets = {target for job in pending for one in job.dependencies for target in one.targets}
        return Snapshot(
            now=now,
            nodes=self._standing.drained(self._nodes()),
            pending=pending,
            active=self._jobs.active(),
            down=self._down(),
            placing=self._placing(),
            rules=self._standing.rules(),
            shares=self._standing.shares(now),
            used_gpu_s=self._standing.used_gpu_s(now),
            fates=self._jobs.fates(targets),
            reservations=self._standing.reservations(now),
        )

    def _take_up(self) -> None:
        """Tell the engine of jobs that have arrived, but of none that it has already read."""
        arrived, self._arrived = self._arrived, []
        told = [job for job in arrived if isinstance(job, PendingJob)]
        ids = [job for job in arrived if not isinstance(job, PendingJob)]
        for job in (*told, *(self._jobs.pending_of(ids) if ids else ())):
            if not self._engine.is_pending(job.job_id):
                self._tell_fates(job)
                self._engine.submit(job)

    def _tell_fates(self, job: PendingJob) -> None:
        targets = {target for one in job.dependencies for target in one.targets}
        if targets:
            for target, fate in self._jobs.fates(targets).items():
                self._engine.fate(target, fate)

    def _tell_end(self, job_id: int) -> None:
        """Tell those who wait for the job, or for the array it belongs to, what became of it."""
        self._tell_awaited((job_id, *self._jobs.array_of(job_id)))

    def _tell_awaited(self, targets: Sequence[int]) -> None:
        """What nobody waits for is not told: it would be kept for ever."""
        awaited = [target for target in targets if self._engine.has_dependents((target,))]
        for target, fate in (self._jobs.fates(awaited) if awaited else {}).items():
            self._engine.fate(target, fate)

    def _placing(self) -> Mapping[str, int]:
        """Return the partitions that start nothing until it is known which nodes a job has got, with that job.

        Spark Standalone chooses the nodes itself. A gang that fits will be placed, but on which nodes is known only
        when its workers tell; where a node has several GPUs, what fits next to it depends on that.
        """
        shared = {node.partition for node in self._nodes() if node.gpus > 1}
        return {name: job_id for name, job_id in self._jobs.unplaced().items() if name in shared}
