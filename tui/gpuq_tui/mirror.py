"""The queue as gpuqd last told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gpuq.gpus import Gpu
from gpuq.models import Cluster, Job
from gpuq_tui.changes import Told

if TYPE_CHECKING:  # only Kubernetes has any
    from gpuq.tracing import PodsTold

_MOST_ENDED = 1000


class Mirror:
    """What there is now: jobs that have not ended, those that ended while somebody looked, the cluster.

    `pods` are those that were told of live jobs since the last of so many `beginnings`. `has_ended` says that the
    others that ended are known too. gpuqd does not tell which of those it forgets, so after many more have ended only
    the last ones are kept, and all are to be asked for again.
    """

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.gpus: tuple[Gpu, ...] = ()
        self.pods: dict[int, tuple[PodsTold, ...]] = {}
        self.beginnings = 0
        self.has_ended = False
        self._live: dict[int, Job] = {}
        self._ended: dict[int, Job] = {}
        self._most_ended = _MOST_ENDED
        self._is_ordered = True

    def take(self, told: Told) -> None:
        """Take over what was told."""
        self.cluster = told.cluster or self.cluster
        self.gpus = self.gpus if told.gpus is None else told.gpus
        if told.is_whole:  # what ended while nothing was heard is in no list
            self._live, self._is_ordered, self.has_ended = _live(told.jobs), False, False
            self.pods, self.beginnings = {}, self.beginnings + 1
        for pods in told.pods:
            if pods.job_id in self._live:
                self.pods[pods.job_id] = _with(self.pods.get(pods.job_id, ()), pods)
        for job_id, job in told.jobs.items():
            if self._live.get(job_id) is not job or job_id in self._ended:
                self._put(job_id, job)

    def take_ended(self, jobs: Sequence[Job]) -> None:
        """Take over the jobs that have ended, whenever that was."""
        self._ended = {job.id: job for job in jobs if job.id not in self._live} | self._ended
        self.has_ended = True
        self._most_ended = len(self._ended) + _MOST_ENDED

    def jobs(self, *, everything: bool) -> tuple[Job, ...]:
        """Return jobs by id: those that have not ended, or `everything` that is known."""
        if everything:
            both = self._live | self._ended
            return tuple(both[job_id] for job_id in sorted(both))
        if not self._is_ordered:
            self._live = dict(sorted(self._live.items()))
            self._is_ordered = True
        return tuple(self._live.values())

    @property
    def count(self) -> int:
        """How many jobs are known."""
        return len(self._live) + len(self._ended)

    def job(self, job_id: int) -> Job | None:
        """Return a job as it was last told; None if it was not, or is gone."""
        return self._live.get(job_id) or self._ended.get(job_id)

    def _put(self, job_id: int, job: Job | None) -> None:
        self._ended.pop(job_id, None)
        if job is not None and not job.state.is_final:
            self._is_ordered = self._is_ordered and (job_id in self._live or job_id > next(reversed(self._live), 0))
            self._live[job_id] = job
            return
        self._live.pop(job_id, None)
        self.pods.pop(job_id, None)
        if job is not None:
            self._ended[job_id] = job
            if len(self._ended) > (self._most_ended if self.has_ended else _MOST_ENDED):
                self.has_ended = False
                while len(self._ended) > _MOST_ENDED:
                    del self._ended[next(iter(self._ended))]


def _with(known: tuple[PodsTold, ...], told: PodsTold) -> tuple[PodsTold, ...]:
    """Return what was told of the newest attempt, each pod once, as it was last told."""
    before = {pod.uid: pod for one in known if one.attempt == told.attempt for pod in one.pods}
    return (replace(told, pods=tuple((before | {pod.uid: pod for pod in told.pods}).values())),)


def _live(jobs: Mapping[int, Job | None]) -> dict[int, Job]:
    return {job_id: job for job_id, job in jobs.items() if job is not None and not job.state.is_final}
