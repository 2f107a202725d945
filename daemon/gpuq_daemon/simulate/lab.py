"""Policies on a trace, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.snapshot import NodeView, PendingJob
from gpuq_daemon.policy.spots import is_possible
from gpuq_daemon.simulate.course import Course, Pace
from gpuq_daemon.simulate.meter import Meter
from gpuq_daemon.simulate.nodes import PARTITION, gang_for
from gpuq_daemon.simulate.policies import POLICIES, Setting, tree_of
from gpuq_daemon.simulate.summary import Summary, summary
from gpuq_daemon.simulate.trace import TraceJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A cluster and how jobs behave on it. `weights` are of accounts; one that is not named has 1."""

    nodes: tuple[NodeView, ...]
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    restart_s: float = 120.0
    pace: Pace = field(default_factory=Pace)
    may_preempt: bool = True

    def run(
        self,
        name: str,
        jobs: Sequence[TraceJob],
        *,
        timer: Callable[[], float],
        told: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Summary:
        """Return what a policy makes of a trace. Jobs that no node could hold are left out and counted."""
        gangs = Gangs(self.nodes)
        possible = [job for job in jobs if gangs.is_possible(job)]
        policy = POLICIES[name]
        setting = Setting(
            nodes=self.nodes, tree=tree_of(possible, self.weights), jobs=possible, may_preempt=self.may_preempt
        )
        meter = Meter(sum(node.gpus for node in self.nodes), self.weights)

        def pending(job_id: int, trace: TraceJob) -> PendingJob:
            may = self.may_preempt if trace.is_preemptible is None else trace.is_preemptible
            return policy.seen(pending_of(job_id, trace, gangs.gang(trace), is_preemptible=may), trace)

        course = Course(
            possible,
            policy.make(setting),
            meter,
            pending_of=pending,
            pace=self.pace,
            restart_s=self.restart_s,
            timer=timer,
        )
        began = timer()
        course.run(told)
        return summary(
            name,
            course.ended,
            meter.fairness(),
            course.pass_s,
            knows=policy.knows,
            unplaced=len(jobs) - len(course.ended),
            took_s=timer() - began,
        )


def pending_of(job_id: int, trace: TraceJob, gang: Gang, *, is_preemptible: bool) -> PendingJob:
    """Return a job of a trace as the policy sees it: everything but how long it will run."""
    return PendingJob(
        job_id=job_id,
        user=trace.user,
        partition=PARTITION,
        submitted_at=trace.submit_s,
        gang=gang,
        account=trace.account,
        qos=trace.qos,
        name=f"job{job_id}",
        time_limit_s=trace.limit_s,
        is_preemptible=is_preemptible,
    )


def limited(jobs: Iterable[TraceJob], factor: float | None) -> list[TraceJob]:
    """Return jobs with limits of so many times their run time; None takes their limits away."""
    return [
        replace(job, limit_s=None if factor is None else max(1, int(job.duration_s * factor + 0.999))) for job in jobs
    ]


class Gangs:
    """Gangs by what jobs ask for, and whether the nodes could hold them."""

    def __init__(self, nodes: tuple[NodeView, ...]) -> None:
        self._room = Room(nodes, billing=Billing())
        self._nodes = nodes
        self._made: dict[tuple[int, str | None], Gang] = {}
        self._possible: dict[Gang, bool] = {}

    def gang(self, job: TraceJob) -> Gang:
        asked = (job.gpus, job.gpu_type)
        found = self._made.get(asked)
        if found is None:
            largest = max((n.gpus for n in self._nodes if job.gpu_type in (None, n.gpu_type)), default=1)
            found = self._made[asked] = gang_for(job.gpus, job.gpu_type, largest)
        return found

    def is_possible(self, job: TraceJob) -> bool:
        gang = self.gang(job)
        found = self._possible.get(gang)
        if found is None:
            found = self._possible[gang] = is_possible(self._room, PARTITION, gang, None)
        return found
