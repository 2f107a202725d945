"""The three tiers of one pass, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import inf

from gpuq.models import Reason
from gpuq_daemon.policy.snapshot import PendingJob
from gpuq_daemon.policy.tiers.holders import Holders
from gpuq_daemon.policy.tiers.ledger import Branch, Ledger
from gpuq_daemon.policy.tiers.queue import Lines, Mix, Running, key_of
from gpuq_daemon.policy.tiers.settings import Tiers
from gpuq_daemon.policy.tiers.units import Units
from gpuq_daemon.policy.tiers.walk import May, TierWalk
from gpuq_daemon.policy.walk import Seen

_Judge = Callable[[PendingJob], May]


class Turn:
    """Goes through the tiers. What a job is given is counted for its account once, whichever tier gives it."""

    def __init__(
        self,
        walk: TierWalk,
        ledger: Ledger,
        tiers: Tiers,
        units: Units,
        pending: Mapping[int, PendingJob],
        holders: Holders,
        *,
        deviation: float,
        stopped: Callable[[str], Reason | None],
    ) -> None:
        self._walk = walk
        self._ledger = ledger
        self._tiers = tiers
        self._units = units
        self._pending = pending
        self._holders = holders
        self._alone_gpus = tiers.guard_part * units.gpus
        self._guard_gpus = tiers.guard_part_at(deviation) * units.gpus
        self._stopped = cache(stopped)
        self._given: set[int] = set()
        self._kept_free: set[str] = set()  # partitions
        self.guarded: set[int] = set()

    def claim_fixed(self) -> None:
        """Let those stay who may not be stopped, or not yet. What never can be is counted before anybody's turn."""
        self._walk.claim_fixed()
        for one in self._holders.fixed.values():
            self._keep(one)

    def overdue(self, lines: Lines, guarded: set[int]) -> None:
        """T0: those who waited too long, the guarded first, then the longest wait, while they hold little enough.

        A gang larger than all that they may hold comes alone: nobody else is guarded anew until it has had its turn,
        and nobody else starts in its partition while all that it needs is that some have run for long enough.
        """
        if self._tiers.guard_after_s is None:
            return
        due = self._holders.overdue.keys() | guarded
        ones = (self._holders.all[job_id] for job_id in due)
        running = sorted((key_of((one.job_id not in guarded, 0), one.job.arrived_at, one.job_id), one) for one in ones)
        self.guarded = self._through(
            Mix(lines.heads, running), lambda _: May.PREEMPT, self._guard_gpus, alone_gpus=self._alone_gpus
        )

    def small(self, mix: Mix) -> None:
        """T1: small jobs of everybody."""
        self._through(mix, self._judged_small, self._tiers.small_part * self._units.gpus)

    def _judged_small(self, job: PendingJob) -> May:
        is_due = job.is_top or self._walk.now - job.pending_since >= self._tiers.small_patience_s
        return May.PREEMPT if is_due else May.NOT_YET

    def rest(self, mixes: Mapping[Branch, Mix]) -> None:
        """T2: the rest, whoever is furthest below what it may have. Once nobody is left who waits it is over."""
        for leaf, mix in mixes.items():
            leaf.mix = mix
        turns = self._ledger.turns(mixes)
        waiting = sum(mix.has_waiting() for mix in mixes.values())
        while waiting and self._walk.claimed_gpus < self._units.gpus:
            leaf = turns.next()
            if leaf is None:
                return
            mix = mixes[leaf]
            if mix.head_runs():
                self._keep(mix.running())
            else:
                is_below = leaf.is_below()
                self._look(mix, lambda job, is_below=is_below: self._judged(job, is_below=is_below))
                waiting -= not mix.has_waiting()
            turns.done(leaf)
        heads = (self._pending[mix.head()[0]] for mix in mixes.values() if mix.has_waiting())
        for job in sorted(heads, key=lambda job: (job.submitted_at, job.job_id)):
            self._walk.note_blocked(job)  # nothing is left for anybody: the first waits for room

    def _judged(self, job: PendingJob, *, is_below: bool) -> May:
        if not is_below:
            return May.NOTHING
        return May.PREEMPT if self._walk.now - job.pending_since >= self._tiers.patience_s else May.NOT_YET

    def _through(self, mix: Mix, judge: _Judge, most_gpus: float, *, alone_gpus: float = inf) -> set[int]:
        """Go through a mix while what it is given is at most so much; return who was given something.

        Who asks for more than `alone_gpus` gets them alone, and is waited for: else it would wait for ever.
        """
        given: set[int] = set()
        used = 0
        while True:
            for _, one in mix.ahead():
                if (used + one.gpus <= most_gpus or (one.gpus > alone_gpus and not used)) and self._keep(one):
                    used += one.gpus
                    given.add(one.job_id)
            if not mix.has_waiting():
                return given
            head_id, alike = mix.head()
            head_gpus = alike.shape[2].gpus
            is_alone = head_gpus > alone_gpus
            if is_alone and used:
                return given
            if not is_alone and used + head_gpus > most_gpus:
                self._walk.note_blocked(self._pending[head_id])
                mix.drop()
                continue
            begun = self._alone(mix, judge) if is_alone else self._look(mix, judge)
            if begun is not None:
                used += begun.gpus
                given.add(begun.job_id)
            elif is_alone and self._kept_free:
                return given
        return given

    def _alone(self, mix: Mix, judge: _Judge) -> PendingJob | None:
        """Look at the head; keep its partition free for it if it is near a start, and return it if it starts."""
        head = self._pending[mix.head()[0]]
        begun = self._look(mix, judge)
        if begun is None and self._walk.is_near(head):
            self._kept_free.add(head.partition)
        return begun

    def _keep(self, one: Running) -> bool:
        if one.job_id in self._given:
            return True
        if not self._walk.claim(one):
            return False
        self._given.add(one.job_id)
        self._ledger.give(one.leaf, one.units)
        return True

    def _look(self, mix: Mix, judge: _Judge) -> PendingJob | None:
        """Look at the head, which waits; return it if it starts."""
        job_id, alike = mix.head()
        job, walk = self._pending[job_id], self._walk
        if (
            job.partition in self._kept_free
            or self._stopped(job.partition) is not None
            or walk.is_hopeless((alike.shape, alike.is_preemptible), job.limit_s)
        ):
            mix.drop()
            return None
        seen = mix.waiting()
        if walk.has_begun(job_id):
            mix.follow(seen)
            return None
        may = judge(job)
        match walk.visit_with(job, seen.owner, alike.shape, may):
            case Seen.STARTED:
                mix.follow(seen)
                self._give(job)
                return job
            case Seen.LIMITED:
                mix.skip_owner(seen)
            case Seen.IMPOSSIBLE:
                pass
            case Seen.BLOCKED:
                # Who was never stopped has waited longer than all like it behind; among the others somebody may
                # have waited long enough.
                if may is May.NOT_YET and not alike.is_fresh:
                    mix.follow(seen)
        return None

    def _give(self, job: PendingJob) -> None:
        self._given.add(job.job_id)
        self._ledger.give(self._ledger.leaf(job.account, job.user), self._units.units(job))
