"""In which order jobs are looked at: Slurm's multifactor priority, with every term."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from gpuq.models import PriorityTerm
from gpuq_daemon.policy.fairtree import Shares
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Owner
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import NodeView, PendingJob

Key = tuple[int, int, float, int]

_TOP, _GUARDED, _USUAL = 0, 1, 2


class Ranking:
    """The order of jobs at one time: the rules, the shares, and how large the partitions are."""

    def __init__(self, rules: Rules, shares: Shares, nodes: Iterable[NodeView]) -> None:
        self._weights = rules.weights
        self._shares = shares
        self._at = shares.at
        self._guard_s = inf if rules.guard_after_s is None else rules.guard_after_s
        self._age, self._max_age_s = rules.weights.age, rules.weights.max_age_s
        self._standing: dict[tuple[Owner, str], int] = {}
        self._gpus: dict[str, int] = {}
        for node in nodes:
            self._gpus[node.partition] = self._gpus.get(node.partition, 0) + node.gpus
        highest_qos = max((qos.priority for qos in rules.qos.values()), default=0)
        self._qos = {name: qos.priority / highest_qos if highest_qos else 0.0 for name, qos in rules.qos.items()}
        highest = max(rules.partitions.values(), default=0)
        self._partitions = {name: value / highest if highest else 0.0 for name, value in rules.partitions.items()}

    def key(self, job: PendingJob) -> Key:
        """Return what orders the queue, first to start first: tier, priority, submit time, number.

        Tiers: moved to the top; has waited too long (longest first, whatever its priority); all others.
        """
        points = self.size_points(job.partition, job.gang) + self.standing_points(job.owner, job.partition)
        return self.key_with(job, points)

    def key_with(self, job: PendingJob, base: int) -> Key:
        """Return the key of a job from its size points and standing points together."""
        waited_s, priority = self._points(job, base)
        if job.is_top:
            return (_TOP, -priority, job.submitted_at, job.job_id)
        if waited_s >= self._guard_s:
            return (_GUARDED, 0, job.submitted_at, job.job_id)
        return (_USUAL, -priority, job.submitted_at, job.job_id)

    def priority_with(self, job: PendingJob, base: int) -> int:
        """Return the priority of a job from its size points and standing points together."""
        return self._points(job, base)[1]

    def _points(self, job: PendingJob, base: int) -> tuple[float, int]:
        since = job.submitted_at
        if job.begin_at is not None and job.begin_at > since:
            since = job.begin_at
        waited_s = self._at - since
        part = waited_s / self._max_age_s
        age = self._age if part >= 1.0 else int(self._age * part) if part > 0.0 else 0
        return waited_s, base + age - job.nice

    def priority(self, job: PendingJob) -> int:
        """Return the sum of all terms."""
        return sum(term.points for term in self.terms(job))

    def standing_points(self, owner: Owner, partition: str) -> int:
        """Return what fair share, partition and QOS give to all jobs of an owner."""
        key = (owner, partition)
        points = self._standing.get(key)
        if points is None:
            w = self._weights
            fair = self._shares.factor(owner.account, owner.user)
            others = int(w.partition * self._partitions.get(partition, 0.0)) + int(
                w.qos * self._qos.get(owner.qos, 0.0)
            )
            points = self._standing[key] = int(w.fair_share * fair) + others
        return points

    def size_points(self, partition: str, gang: Gang) -> int:
        """Return what its size gives to a gang."""
        return int(self._weights.job_size * self._size(partition, gang))

    def terms(self, job: PendingJob) -> tuple[PriorityTerm, ...]:
        """Return every term of the priority; their points add up to it."""
        w = self._weights
        weights = (w.age, w.fair_share, w.job_size, w.partition, w.qos)
        names = ("age", "fair share", "job size", "partition", "QOS")
        made = tuple(
            PriorityTerm(name=name, factor=factor, weight=weight, points=int(weight * factor))
            for name, factor, weight in zip(names, self._factors(job), weights, strict=True)
        )
        return (*made, PriorityTerm(name="nice", factor=0.0, weight=0, points=-job.nice))

    def _factors(self, job: PendingJob) -> tuple[float, float, float, float, float]:
        return (
            min(1.0, self._waited_s(job) / self._weights.max_age_s),
            self._shares.factor(job.account, job.user),
            self._size(job.partition, job.gang),
            self._partitions.get(job.partition, 0.0),
            self._qos.get(job.qos, 0.0),
        )

    def _size(self, partition: str, gang: Gang) -> float:
        gpus = self._gpus.get(partition, 0)
        return min(1.0, gang.gpus / gpus) if gpus else 0.0

    def _waited_s(self, job: PendingJob) -> float:
        # A job ages from when it may start: waiting for a begin time earns nothing.
        since = job.submitted_at if job.begin_at is None else max(job.submitted_at, job.begin_at)
        return max(0.0, self._at - since)


def tier(key: Key) -> int:
    """Return the tier of a key; a lower one goes first."""
    return key[0]
