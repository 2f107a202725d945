"""Running jobs in the order of the tiers, kept up as they come, go, grow old and have had more."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush
from math import inf

from gpuq_daemon.policy.priority import Key
from gpuq_daemon.policy.snapshot import ActiveJob
from gpuq_daemon.policy.tiers.ledger import Branch
from gpuq_daemon.policy.tiers.queue import Placed, Running, key_of
from gpuq_daemon.policy.tiers.ranks import Ranks
from gpuq_daemon.policy.tiers.settings import Tiers

_EARLY_S = 1e-3  # far more than what rounding makes of the time at which a job will have had so much


def may_be_stopped(job: ActiveJob, tiers: Tiers) -> bool:
    """Return whether a running job may be stopped once it has run long enough."""
    return (
        tiers.may_preempt
        and job.is_preemptible
        and (tiers.most_preemptions is None or job.past.preempted < tiers.most_preemptions)
    )


class Holders:
    """The running jobs as of the last `advance`.

    `all` are all, `fixed` those who never may be stopped, `young` the others who may not yet, `overdue` who waited too
    long until they started. `small` and `rest`, by account and user, are the tiers in their order.
    """

    def __init__(self, tiers: Tiers, ranks: Ranks, now: float) -> None:
        self._tiers = tiers
        self._ranks = ranks
        self._at = now
        self.all: dict[int, Running] = {}
        self.fixed: dict[int, Running] = {}
        self.young: dict[int, Running] = {}
        self.overdue: dict[int, Running] = {}
        self.small: list[Placed] = []
        self.rest: dict[Branch, list[Placed]] = {}
        self._places: dict[int, tuple[list[Placed], Key, float]] = {}
        self._steps: list[tuple[float, int]] = []  # when somebody's rank may change
        self._births: list[tuple[float, int]] = []  # starts of the young

    def add(self, one: Running) -> None:
        """Put in a job that has begun."""
        job, guard_s = one.job, self._tiers.guard_after_s
        self.all[one.job_id] = one
        if not may_be_stopped(job, self._tiers):
            self.fixed[one.job_id] = one
        else:
            self.young[one.job_id] = one
            heappush(self._births, (job.started_at, one.job_id))
        if guard_s is not None and one.waited_s > guard_s:
            self.overdue[one.job_id] = one
        self._place(one)

    def remove(self, job_id: int) -> Running | None:
        """Take out a job, and return it if it was there."""
        one = self.all.pop(job_id, None)
        if one is not None:
            for some in (self.fixed, self.young, self.overdue):
                some.pop(job_id, None)
            self._unplace(one)
        return one

    def advance(self, now: float) -> None:
        """Put everybody where they belong by now."""
        if now < self._at:  # a clock that was set back
            there = list(self.all)
            ones = [one for job_id in there if (one := self.remove(job_id)) is not None]
            self._at = now
            for one in ones:
                self.add(one)
        self._at = now
        while self._births and now - self._births[0][0] >= self._tiers.least_run_s:
            started_at, job_id = heappop(self._births)
            one = self.young.get(job_id)
            if one is not None and one.job.started_at == started_at:
                del self.young[job_id]
        due: list[tuple[float, int]] = []
        while self._steps and self._steps[0][0] <= now:
            due.append(heappop(self._steps))
        for at, job_id in due:
            if job_id in self._places and self._places[job_id][2] == at:
                self._unplace(self.all[job_id])
                self._place(self.all[job_id])

    def _place(self, one: Running) -> None:
        job = one.job
        attained = job.past.attained_gpu_s + (self._at - job.started_at) * one.gpus
        is_small = self._ranks.is_small(job, attained, inf if job.until is None else job.until - job.started_at)
        line = self.small if is_small else self.rest.setdefault(one.leaf, [])
        key = key_of(self._ranks.rank(job.qos, attained), one.submitted_at, one.job_id)
        insort(line, (key, one))
        left = self._ranks.next_step(attained) - attained
        due = self._at + left / one.gpus - _EARLY_S if one.gpus else inf
        self._places[one.job_id] = (line, key, due)
        if due < inf:
            heappush(self._steps, (due, one.job_id))

    def _unplace(self, one: Running) -> None:
        line, key, _ = self._places.pop(one.job_id)
        del line[bisect_left(line, (key,))]
        if not line and line is not self.small:
            del self.rest[one.leaf]
