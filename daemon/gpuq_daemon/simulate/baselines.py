"""Policies to compare with that are not gpuq's own: first in, first out; Themis."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf

from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.room import Room, Spot
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob, Plan, Preemption, Start
from gpuq_daemon.policy.spots import spot_now


class StrictFifo:
    """In the order of arrival; behind one that does not fit all wait."""

    def __init__(self, nodes: Sequence[NodeView]) -> None:
        self._room = Room(nodes, billing=Billing())
        self._waiting: deque[PendingJob] = deque()

    def submit(self, job: PendingJob) -> None:
        """Take up a job that waits."""
        self._waiting.append(job)

    def begin(self, job: ActiveJob) -> None:
        """A job runs: it has its place since the plan."""

    def end(self, job_id: int, fate: Fate) -> None:
        """A job has ended."""
        self._room.release(job_id)

    def stop(self, job_id: int) -> None:
        """Never happens."""
        raise ValueError("nobody is stopped")

    def plan(self, now: float) -> Plan:
        """Start from the front while it fits."""
        starts: list[Start] = []
        self._room.now = now
        while self._waiting:
            job = self._waiting[0]
            spot = spot_now(self._room, job.partition, job.gang, now, None)
            if spot is None:
                break
            self._waiting.popleft()
            self._room.hold(job.job_id, spot.takes, inf)
            starts.append(start_of(self._room, job.job_id, spot))
        return Plan(starts=tuple(starts), reasons={})


class Themis:
    """Whoever's finish would be latest, compared with running at once and alone, goes first; leases are for a while.

    It is told run times. Source: Mahajan et al., "Themis: Fair and Efficient GPU Cluster Scheduling", NSDI 2020: its
    finish-time fairness, without its auctions.
    """

    def __init__(self, nodes: Sequence[NodeView], durations_s: Mapping[int, float], *, lease_s: float = 3600.0) -> None:
        self._room = Room(nodes, billing=Billing())
        self._gpus = sum(node.gpus for node in nodes)
        self._durations = durations_s
        self._lease_s = lease_s
        self._waiting: dict[int, PendingJob] = {}
        self._active: dict[int, ActiveJob] = {}

    def submit(self, job: PendingJob) -> None:
        """Take up a job that waits."""
        self._waiting[job.job_id] = job

    def begin(self, job: ActiveJob) -> None:
        """A job runs."""
        self._waiting.pop(job.job_id, None)
        self._active[job.job_id] = job
        self._room.hold_active(job)

    def end(self, job_id: int, fate: Fate) -> None:
        """A job has ended."""
        del self._active[job_id]
        self._room.release(job_id)

    def stop(self, job_id: int) -> None:
        """A job is to wait again."""
        self.end(job_id, Fate.OK)

    def plan(self, now: float) -> Plan:
        """Give GPUs to the latest first; who has a lease keeps it."""
        room = self._room
        room.now = now
        ranked = sorted(self._waiting.values(), key=lambda job: (-self._lateness(job, now), job.job_id))
        loose = sorted(
            (job for job in self._active.values() if now - job.started_at >= self._lease_s),
            key=lambda job: (self._lateness(job, now), job.job_id),
        )
        starts: list[Start] = []
        stops: list[Preemption] = []
        taken: list[int] = []
        failed: set[int] = set()
        at = 0
        for job in ranked:
            if job.gpus in failed:
                continue
            spot = spot_now(room, job.partition, job.gang, now, None)
            gone: list[ActiveJob] = []
            late = self._lateness(job, now)
            while spot is None and at + len(gone) < len(loose):
                other = loose[at + len(gone)]
                if self._lateness(other, now) >= late:
                    break
                gone.append(other)
                room.release(other.job_id)
                if sum(one.gpus for one in gone) >= job.gpus:
                    spot = spot_now(room, job.partition, job.gang, now, None)
            if spot is None:
                failed.add(job.gpus)
                for other in gone:
                    room.hold_active(other)
                continue
            at += len(gone)
            stops += [Preemption(job_id=other.job_id, for_job=job.job_id) for other in gone]
            room.hold(job.job_id, spot.takes, inf)
            taken.append(job.job_id)
            starts.append(start_of(room, job.job_id, spot))
        for job_id in taken:
            room.release(job_id)
        for one in stops:
            room.hold_active(self._active[one.job_id])
        return Plan(starts=tuple(starts), reasons={}, preemptions=tuple(stops))

    def _lateness(self, job: PendingJob | ActiveJob, now: float) -> float:
        """Return how many times longer than alone it takes, if it went on from now."""
        whole = max(1.0, self._durations[job.job_id])
        ran = job.past.ran_s + (now - job.started_at if isinstance(job, ActiveJob) else 0.0)
        since = job.submitted_at if job.submitted_at is not None else now
        return (now - since + max(0.0, whole - ran)) / whole


def start_of(room: Room, job_id: int, spot: Spot) -> Start:
    """Return the start at a spot."""
    return Start(
        job_id=job_id,
        workers_by_node={room.names[node]: count for node, count in sorted(spot.workers.items())},
        gpu_type=spot.pool.gpu_type,
    )
