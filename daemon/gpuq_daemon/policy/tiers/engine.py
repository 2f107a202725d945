"""The policy of three tiers with a memory: an engine whose passes look at running jobs and the heads of lines.

T0 are those who have waited too long, within a budget; T1 small jobs of everybody; T2 the rest, account by account
of whoever is furthest below its weighted max-min share, what it is owed included. See docs/policy.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from gpuq.models import Reason
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.priority import Key
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Plan, Promise, Snapshot
from gpuq_daemon.policy.tiers.holders import Holders
from gpuq_daemon.policy.tiers.ledger import Branch, Ledger
from gpuq_daemon.policy.tiers.queue import Alike, Lines, Mix, Running, alike_of, key_of
from gpuq_daemon.policy.tiers.ranks import Ranks
from gpuq_daemon.policy.tiers.settings import Tiers, TierState
from gpuq_daemon.policy.tiers.turn import Turn
from gpuq_daemon.policy.tiers.units import Units
from gpuq_daemon.policy.tiers.walk import TierWalk

_TOP = -(1 << 40)  # before every QOS
_KEPT = 1 << 62  # above all jobs' numbers: what is kept for one is held under a number of its own


class TieredEngine(Engine):
    """Like `Engine`, for rules that have `tiers`: it also says whom to stop or move for whom."""

    def reset(self, snapshot: Snapshot) -> None:
        """Take everything from a snapshot."""
        assert snapshot.rules.tiers is not None
        self._tiers: Tiers = snapshot.rules.tiers
        self._weigh = Units(snapshot.nodes, snapshot.rules)
        self._small, self._overdue = Lines(), Lines()
        self._rest: dict[Branch, Lines] = {}
        self._soon: list[tuple[float, int]] = []
        self._late_ones: dict[int, tuple[Alike, Key]] = {}
        self._fixed = 0
        self._reserved: dict[int, ActiveJob] = {}
        self._ranks = Ranks(self._tiers, snapshot.rules.qos)
        self._holders = Holders(self._tiers, self._ranks, snapshot.now)
        self._state: TierState = snapshot.tiers
        self._ledger = Ledger(snapshot.rules.tree, self._tiers, self._weigh.capacity, snapshot.tiers)
        super().reset(snapshot)
        for job in self._active.values():
            self._note_active(job)

    def snapshot(self, now: float) -> Snapshot:
        """Return what the engine knows as a value."""
        return replace(super().snapshot(now), tiers=self._state)

    def remembered(self) -> tuple[Mapping[int, Promise], TierState]:
        """Return what the next pass is handed by those before: promises, and the state of the tiers."""
        return self._promises, self._state

    def reserved(self) -> Mapping[int, ActiveJob]:
        """Return what is kept for pending jobs that others were stopped for, by job."""
        return dict(self._reserved)

    def reserve(self, job: ActiveJob) -> None:
        """Keep for a pending job what it will hold once those have gone who were stopped for it; it is out of line.

        They hold it still, so there is less than nothing free on its nodes until then.
        """
        self._settle()
        pending = self._pending.get(job.job_id)
        if pending is None or job.job_id in self._reserved:
            return
        self._unplace(pending)
        self._reserved[job.job_id] = job
        self._waiting[job.job_id] = Reason.RESOURCES
        kept = replace(job, job_id=_KEPT + job.job_id, is_preemptible=False)
        self._room.hold_active(kept)
        self._counts.add(job.owner, job.gpus, since=job.started_at, until=job.until)
        self._note_active(kept)

    def unreserve(self, job_id: int) -> None:
        """Give up what is kept for a job, if something is; a pending job gets in line again."""
        self._settle()
        job = self._reserved.pop(job_id, None)
        if job is None:
            return
        self._forget_active(_KEPT + job_id)
        self._room.release(_KEPT + job_id)
        self._counts.add(job.owner, job.gpus, since=job.started_at, until=job.until, sign=-1)
        self._waiting.pop(job_id, None)
        pending = self._pending.get(job_id)
        if pending is not None:
            self._place(pending)

    def _may_start(self, job: PendingJob) -> bool:
        if job.job_id in self._reserved:
            self._waiting[job.job_id] = Reason.RESOURCES
            return False
        return super()._may_start(job)

    def remove(self, job_id: int) -> None:
        """Drop a pending job, and what is kept for it."""
        self.unreserve(job_id)
        super().remove(job_id)

    def begin(self, job: ActiveJob) -> None:
        """Turn a pending job into one that holds GPUs."""
        self.unreserve(job.job_id)
        super().begin(job)
        self._note_active(job)

    def _note_active(self, job: ActiveJob) -> None:
        self._enter(job, 1)
        leaf, units = self._leaf(job), self._weigh.units(job)
        submitted = job.started_at if job.submitted_at is None else job.submitted_at
        waited_s = job.started_at - job.arrived_at
        self._holders.add(Running(job.job_id, job, leaf, job.gpus, units, submitted, waited_s))
        self._ledger.hold(leaf, units)

    def end(self, job_id: int, fate: Fate) -> None:
        """Give back what an active job held."""
        self._forget_active(job_id)
        super().end(job_id, fate)

    def stop(self, job_id: int) -> None:
        """Give back what an active job held that is to wait again, or to run elsewhere."""
        self._forget_active(job_id)
        super().stop(job_id)

    def _forget_active(self, job_id: int) -> None:
        self._settle()
        one = self._holders.remove(job_id)
        if one is not None:
            self._enter(one.job, -1)
            self._ledger.hold(one.leaf, -one.units)

    # --- indexes

    def _arrange(self) -> None:
        super()._arrange()
        for job in self._pending.values():
            if job.job_id not in self._waiting:
                self._line_up(job)

    def _place(self, job: PendingJob) -> None:
        super()._place(job)
        if job.job_id not in self._waiting:
            self._line_up(job)

    def _unplace(self, job: PendingJob) -> None:
        if job.job_id not in self._waiting:
            self._line_down(job)
        super()._unplace(job)

    def _line_up(self, job: PendingJob) -> None:
        self._enter(job, 1)
        lines, alike, key = self._where(job)
        lines.add(alike, job.owner, key)
        if self._tiers.guard_after_s is not None:
            heappush(self._soon, (job.arrived_at + self._tiers.guard_after_s, job.job_id))

    def _line_down(self, job: PendingJob) -> None:
        self._enter(job, -1)
        lines, alike, key = self._where(job)
        lines.remove(alike, job.owner, key)
        if not lines and not self._is_small(job):
            del self._rest[self._leaf(job)]
        late = self._late_ones.pop(job.job_id, None)
        if late is not None:
            self._overdue.remove(late[0], job.owner, late[1])

    def _enter(self, job: PendingJob | ActiveJob, sign: int) -> None:
        self._ledger.want(self._leaf(job), sign * self._weigh.units(job))
        if not job.is_preemptible:
            self._fixed += sign

    def _where(self, job: PendingJob) -> tuple[Lines, Alike, Key]:
        qos, level = self._ranks.rank(job.qos, job.past.attained_gpu_s)
        rank = (_TOP, level) if job.is_top else (qos, level)
        lines = self._small if self._is_small(job) else self._rest.setdefault(self._leaf(job), Lines())
        return lines, alike_of(job, rank), key_of(rank, job.submitted_at, job.job_id)

    def _is_small(self, job: PendingJob) -> bool:
        """Return whether a waiting job is of the first tier of all; who was moved to the top is."""
        return job.is_top or self._ranks.is_small(job, job.past.attained_gpu_s, job.limit_s)

    def _leaf(self, job: PendingJob | ActiveJob) -> Branch:
        return self._ledger.leaf(job.account, job.user)

    def _fall_due(self, now: float) -> None:
        """Note those who have waited too long by now."""
        guard_s = self._tiers.guard_after_s
        while guard_s is not None and self._soon and self._soon[0][0] <= now:
            due, job_id = heappop(self._soon)
            job = self._pending.get(job_id)
            is_it = job is not None and job_id not in self._waiting and job.arrived_at + guard_s == due
            if job is not None and is_it and job_id not in self._late_ones:
                alike, key = alike_of(job, (1, 0)), key_of((1, 0), job.arrived_at, job_id)
                self._late_ones[job_id] = (alike, key)
                self._overdue.add(alike, job.owner, key)

    # --- a pass

    def plan(self, now: float) -> Plan:
        """Return what to do now. Reasons are found when asked for, until the next change."""
        self._settle()
        self._now(now)
        self._fall_due(now)
        self._holders.advance(now)
        deviation = self._ledger.open(now)
        walk = self._walk = TierWalk(
            self._room,
            self._counts,
            self._world.rules,
            self._tiers,
            self._active,
            self._holders,
            now=now,
            memory=self._memory,
            has_fixed=self._fixed > 0,
        )
        self._keep_promises(walk)
        self._room.mind(slots=False)  # but by those who are looked at and have to
        turn = Turn(
            walk,
            self._ledger,
            self._tiers,
            self._weigh,
            self._pending,
            self._holders,
            deviation=deviation,
            stopped=self._world.stopped,
        )
        guarded = self._go_through(turn, walk)
        self._room.mind(slots=True)
        self._state = self._ledger.close(self._changes(walk), guarded)
        return replace(self._told(walk), preemptions=tuple(walk.preemptions), tiers=self._state)

    def _go_through(self, turn: Turn, walk: TierWalk) -> frozenset[int]:
        """Give every tier its turn; return who is guarded now."""
        guarded = {i for i in self._state.guarded if self._is_still_guarded(i, walk.now)}
        if not (self._small or self._rest):
            return frozenset(guarded)  # nobody waits
        turn.claim_fixed()
        turn.overdue(self._overdue, guarded)
        turn.small(Mix(self._small.heads, self._holders.small))
        mixes = {leaf: Mix(lines.heads, self._holders.rest.get(leaf, ())) for leaf, lines in self._rest.items()}
        alone = {leaf: Mix((), line) for leaf, line in self._holders.rest.items() if leaf not in mixes}
        turn.rest({**mixes, **alone})
        return frozenset(turn.guarded)

    def _is_still_guarded(self, job_id: int, now: float) -> bool:
        job = self._active.get(job_id)
        return job is not None and now - job.started_at < self._tiers.guard_quantum_s

    def _changes(self, walk: TierWalk) -> Iterator[tuple[Branch, int]]:
        """Go through what the pass changes of what everybody holds."""
        for start in walk.starts:
            job = self._pending[start.job_id]
            yield self._leaf(job), self._weigh.units(job)
        for one in walk.preemptions:
            if one.moved is None:
                gone = self._holders.all[one.job_id]
                yield gone.leaf, -gone.units
